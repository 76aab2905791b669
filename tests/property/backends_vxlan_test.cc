#include <set>
#include <string>

#include <fmt/format.h>

#include "models/backends/backend.h"
#include "models/backends/vxlan_data.h"
#include "tests/support/arbitrary_rows.h"
#include "tests/support/property.h"

using namespace overlab;

TEST_CASE("what a vxlan host publishes is read back, spaces and order notwithstanding",
          "[backends]") {
    test::holds([] {
        const VxlanData data{*rc::gen::inRange(0U, 1U << 24), *test::any_mac()};
        RC_PRE(!data.mac.is_multicast() && data.mac.bits != 0);
        const std::string canonical = to_json(data);
        const std::string unusual = fmt::format(
            R"({{ "VtepMAC" : "{}", "Extra": [1], "VNI": {} }})", data.mac.to_string(), *data.vni);

        RC_ASSERT(parse_vxlan_data(canonical).value() == data);
        RC_ASSERT(parse_vxlan_data(unusual).value() == data);
    });
}

TEST_CASE("text that is nearly what a vxlan host publishes is read or refused, never both",
          "[backends]") {
    test::holds([] {
        std::string text = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})";
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
        text[at] = *rc::gen::inRange<char>(' ', '~');
        if (*rc::gen::arbitrary<bool>()) text.resize(at);
        const Result<VxlanData> data = parse_vxlan_data(text);
        if (data) {
            RC_ASSERT(!data->mac.is_multicast());
            RC_ASSERT(parse_vxlan_data(to_json(*data)).value() == *data);
        } else {
            RC_ASSERT(data.error().kind == ErrorKind::invalid_argument);
        }
    });
}

TEST_CASE("drawn VTEP MACs are unicast, locally administered and differ by host", "[backends]") {
    std::set<MacAddress> seen;
    for (int host = 0; host < 1000; ++host) {
        Rng rng = Rng::stream(1, fmt::format("host-{}/vtep-mac", host));
        const MacAddress mac = draw_vtep_mac(rng);
        REQUIRE_FALSE(mac.is_multicast());
        REQUIRE(((mac.bits >> 41) & 1) == 1);
        REQUIRE(mac.bits < std::uint64_t{1} << 48);
        seen.insert(mac);
    }
    CHECK(seen.size() == 1000);
}
