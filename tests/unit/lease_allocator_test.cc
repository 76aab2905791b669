// Which subnet a host asks for, rule by rule. Against a naive walk:
// tests/property/lease_allocator_test.cc.
#include "models/lease/subnet_allocator.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace overlab {
namespace {

NetworkConfig network(std::string_view json) {
    const ParsedNetworkConfig parsed = parse_network_config(json);
    REQUIRE(parsed.problems.empty());
    return parsed.config;
}

LeaseSubnet subnet(std::string_view v4, std::string_view v6 = {}) {
    LeaseSubnet out{.v4 = Ipv4Prefix::parse(v4).value(), .v6 = std::nullopt};
    if (!v6.empty()) out.v6 = Ipv6Prefix::parse(v6).value();
    return out;
}

LeasePtr lease(const LeaseSubnet& of, std::string_view public_ip, std::int64_t kv_lease = 7) {
    Lease out;
    out.subnet = of;
    out.attributes.public_ip = Ipv4Address::parse(public_ip).value();
    out.kv_lease = {kv_lease};
    return std::make_shared<const Lease>(out);
}

SubnetRequest us(std::string_view public_ip = "192.0.2.1") {
    SubnetRequest request;
    request.public_ip = Ipv4Address::parse(public_ip).value();
    return request;
}

const std::string plain = R"({"Network":"10.244.0.0/16"})";
using Source = SubnetChoice::Source;

struct Expected {
    Source source;
    std::string subnet;
};

void expect(const TakenSubnets& taken, const SubnetRequest& request, const Expected& expected) {
    Rng rng = Rng::stream(1, "test");
    const auto choice = choose_subnet(network(plain), taken, request, rng);
    REQUIRE(choice.has_value());
    CHECK(choice->source == expected.source);
    CHECK(choice->subnet.to_string() == expected.subnet);
}

}  // namespace

TEST_CASE("A lease with our public address is taken up again") {
    expect({.leases = {lease(subnet("10.244.9.0/24"), "192.0.2.9"),
                       lease(subnet("10.244.3.0/24"), "192.0.2.1")},
            .others = {}},
           us(), {Source::reuse, "10.244.3.0/24"});
}

TEST_CASE(
    "Of several leases with our address a reservation wins, then the previous one, then the "
    "lowest") {
    const LeasePtr low = lease(subnet("10.244.3.0/24"), "192.0.2.1");
    const LeasePtr high = lease(subnet("10.244.8.0/24"), "192.0.2.1");
    const LeasePtr reserved = lease(subnet("10.244.9.0/24"), "192.0.2.1", 0);
    SubnetRequest request = us();

    expect({.leases = {high, low}, .others = {}}, request, {Source::reuse, "10.244.3.0/24"});
    request.previous = high->subnet;
    expect({.leases = {high, low}, .others = {}}, request, {Source::reuse, "10.244.8.0/24"});
    expect({.leases = {high, low, reserved}, .others = {}}, request,
           {Source::reuse, "10.244.9.0/24"});
}

TEST_CASE("Our lease from before a configuration change is obsolete and not in the way") {
    Rng rng = Rng::stream(1, "test");
    const NetworkConfig config = network(
        R"({"Network":"10.244.0.0/16","SubnetLen":25,"SubnetMin":"10.244.3.0","SubnetMax":"10.244.3.0"})");
    const LeasePtr old = lease(subnet("10.244.3.0/24"), "192.0.2.1");
    const LeasePtr reserved = lease(subnet("10.1.0.0/24"), "192.0.2.1", 0);

    const auto choice = choose_subnet(config, {.leases = {old, reserved}, .others = {}}, us(), rng);

    REQUIRE(choice.has_value());
    CHECK(choice->source == Source::fresh);
    CHECK(choice->subnet == subnet("10.244.3.0/25"));
    CHECK(choice->obsolete == std::vector<LeasePtr>{old});
}

TEST_CASE("The previous subnet is taken again if nobody holds any of it and it fits") {
    SubnetRequest request = us();
    request.previous = subnet("10.244.77.0/24");
    const auto source_with = [&](const TakenSubnets& taken) {
        Rng rng = Rng::stream(1, "test");
        return choose_subnet(network(plain), taken, request, rng).value().source;
    };

    expect({}, request, {Source::previous, "10.244.77.0/24"});
    CHECK(source_with({.leases = {lease(subnet("10.244.77.0/24"), "192.0.2.9")}, .others = {}}) ==
          Source::fresh);
    CHECK(source_with({.leases = {lease(subnet("10.244.77.64/26"), "192.0.2.9")}, .others = {}}) ==
          Source::fresh);
    CHECK(source_with({.leases = {}, .others = {subnet("10.244.76.0/23")}}) == Source::fresh);

    for (const auto* unfit : {"10.245.77.0/24", "10.244.77.0/25", "10.244.0.0/24"}) {
        CAPTURE(unfit);
        request.previous = subnet(unfit);
        CHECK(source_with({}) == Source::fresh);
    }
}

TEST_CASE("A fresh subnet is among the first hundred free ones and depends on the stream alone") {
    const NetworkConfig config = network(plain);
    TakenSubnets taken;
    for (int i = 1; i <= 50; ++i)
        taken.others.push_back(subnet("10.244." + std::to_string(i) + ".0/24"));
    std::set<std::string> seen;
    for (int i = 0; i < 2'000; ++i) {
        Rng once = Rng::stream(1, "host-" + std::to_string(i));
        Rng again = Rng::stream(1, "host-" + std::to_string(i));
        const auto choice = choose_subnet(config, taken, us(), once);
        REQUIRE(choice.has_value());
        CHECK(choose_subnet(config, taken, us(), again)->subnet == choice->subnet);
        seen.insert(choice->subnet.to_string());
    }
    CHECK(seen.size() == 100);
    CHECK(seen.contains("10.244.51.0/24"));
    CHECK(seen.contains("10.244.150.0/24"));
}

TEST_CASE("A full network is out of space") {
    Rng rng = Rng::stream(1, "test");
    const NetworkConfig config =
        network(R"({"Network":"10.244.0.0/16","SubnetMin":"10.244.1.0","SubnetMax":"10.244.2.0"})");
    TakenSubnets taken{.leases = {lease(subnet("10.244.1.0/24"), "192.0.2.9")}, .others = {}};

    CHECK(choose_subnet(config, taken, us(), rng)->subnet == subnet("10.244.2.0/24"));

    taken.others = {subnet("10.244.2.128/30")};
    const auto choice = choose_subnet(config, taken, us(), rng);
    REQUIRE_FALSE(choice.has_value());
    CHECK(choice.error().kind == ErrorKind::out_of_space);
    CHECK_THAT(choice.error().what, Catch::Contains("all 2 subnets are taken"));
}

TEST_CASE("IPv6-only hosts are told apart by their IPv6 addresses") {
    Rng rng = Rng::stream(1, "test");
    const NetworkConfig config = network(
        R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"vxlan"}})");
    Lease other;
    other.subnet = subnet("0.0.0.0/0", "fd00:0:0:1::/64");
    other.attributes.public_ipv6 = Ipv6Address::parse("2001:db8::9").value();
    other.kv_lease = {3};
    SubnetRequest request;
    request.public_ipv6 = Ipv6Address::parse("2001:db8::1").value();
    const TakenSubnets taken{.leases = {std::make_shared<const Lease>(other)}, .others = {}};

    const auto choice = choose_subnet(config, taken, request, rng);

    REQUIRE(choice.has_value());
    CHECK(choice->source == Source::fresh);
    CHECK(choice->subnet.v4.length == 0);
    CHECK(choice->subnet.v6->network > other.subnet.v6->network);
    CHECK(choice->exclusive_key);
    request.public_ipv6 = other.attributes.public_ipv6;
    CHECK(choose_subnet(config, taken, request, rng)->source == Source::reuse);
}

TEST_CASE("Keys exclude each other only for leases of one family and length") {
    Rng rng = Rng::stream(1, "test");
    const NetworkConfig dual = network(
        R"({"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"vxlan"}})");
    const auto exclusive = [&](const NetworkConfig& config, std::vector<LeaseSubnet> others) {
        return choose_subnet(config, {.leases = {}, .others = std::move(others)}, us(), rng)
            ->exclusive_key;
    };

    CHECK(exclusive(network(plain), {subnet("10.244.5.0/24")}));
    CHECK_FALSE(exclusive(network(plain), {subnet("10.244.5.0/25")}));
    CHECK_FALSE(exclusive(network(plain), {subnet("10.244.5.0/24", "fd00::/64")}));
    CHECK_FALSE(exclusive(dual, {}));
}

TEST_CASE("Choosing stays cheap in a network of millions of subnets") {
    Rng rng = Rng::stream(1, "test");
    const NetworkConfig config = network(R"({"Network":"10.0.0.0/8","SubnetLen":30})");
    TakenSubnets taken;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        taken.others.push_back(
            {.v4 = Ipv4Prefix::of({config.subnet_min.bits + i * 4}, 30), .v6 = {}});
    }
    taken.others.push_back(subnet("10.128.0.0/9"));

    const auto choice = choose_subnet(config, taken, us(), rng);

    REQUIRE(choice.has_value());
    CHECK(choice->subnet.v4.network.bits >= config.subnet_min.bits + 5'000 * 4);
    CHECK(choice->subnet.v4.network.bits < config.subnet_min.bits + 5'100 * 4);
}

}  // namespace overlab
