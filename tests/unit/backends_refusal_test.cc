// Leases that no backend can plan for, and configurations that give no backend.
#include <memory>
#include <string>
#include <string_view>

#include "models/backends/backend.h"
#include "tests/support/catch.h"

using namespace overlab;

namespace {

Ipv4Address ip(std::string_view text) { return *Ipv4Address::parse(text); }

LocalNode local_node() {
    return {
        {"host-1", "eth0", ip("192.0.2.1"), 1500, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},
        {*Ipv4Prefix::parse("10.244.1.0/24"), std::nullopt},
        *MacAddress::parse("02:00:00:00:00:01")};
}

/// A backend with the type and data that its peers publish.
struct Kind {
    BackendConfig config;
    const char* name;
    const char* type;
    const char* data;
};

Kind any_kind() {
    return GENERATE(values<Kind>({
        {VxlanConfig{}, "vxlan", "vxlan", R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})"},
        {VxlanConfig{.direct_routing = true}, "vxlan", "vxlan",
         R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})"},
        {HostGwConfig{}, "host-gw", "host-gw", ""},
        {UdpConfig{}, "udp", "", ""},
        {IpsecConfig{}, "ipsec", "ipsec", ""},
        {IpipConfig{}, "ipip", "ipip", ""},
        {IpipConfig{.direct_routing = true}, "ipip", "ipip", ""},
        {WireguardConfig{}, "wireguard", "wireguard",
         R"({"PublicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","Port":51820})"},
    }));
}

std::unique_ptr<Backend> make(const Kind& kind) {
    NetworkConfig network;
    network.network = *Ipv4Prefix::parse("10.244.0.0/16");
    network.backend = kind.config;
    return *make_backend(network);
}

Lease good_peer(const Kind& kind) {
    Lease lease;
    lease.subnet.v4 = *Ipv4Prefix::parse("10.244.2.0/24");
    lease.attributes.public_ip = ip("192.0.2.2");
    lease.attributes.backend_type = kind.type;
    lease.attributes.backend_data = kind.data;
    return lease;
}

std::string reason(const Kind& kind, const Lease& lease) {
    const Plan plan = make(kind)->plan_peer(local_node(), lease, Reach::on_link);
    CHECK(plan.rows.empty() == !plan.unsupported.empty());
    if (!plan.unsupported.empty()) CHECK_FALSE(plan.connection.has_value());
    return plan.unsupported;
}

}  // namespace

TEST_CASE("a peer of this backend is planned for", "[backends]") {
    const Kind kind = any_kind();
    CHECK(reason(kind, good_peer(kind)).empty());
}

TEST_CASE("a peer of another backend has no rows", "[backends]") {
    const Kind kind = any_kind();
    Lease peer = good_peer(kind);
    peer.attributes.backend_type = "extension";
    CHECK(reason(kind, peer) == std::string(kind.name) + ": peer runs `extension`");

    if (*kind.type == '\0') return;
    peer.attributes.backend_type = "";
    CHECK(reason(kind, peer) ==
          std::string(kind.name) + ": peer runs a backend that publishes no type");
}

TEST_CASE("a lease that would take this host's own traffic away has no rows", "[backends]") {
    const Kind kind = any_kind();

    SECTION("overlapping subnet") {
        const auto subnet = GENERATE("10.244.0.0/16", "10.244.1.0/24", "10.244.1.128/25");
        Lease peer = good_peer(kind);
        peer.subnet.v4 = *Ipv4Prefix::parse(subnet);
        CHECK_THAT(reason(kind, peer), Catch::Contains("overlaps this host's own subnet"));
    }
    SECTION("our address") {
        Lease peer = good_peer(kind);
        peer.attributes.public_ip = ip("192.0.2.1");
        CHECK_THAT(reason(kind, peer), Catch::Contains("this host's own address 192.0.2.1"));
    }
}

TEST_CASE("a lease without an IPv4 part or address has no rows", "[backends]") {
    const Kind kind = any_kind();

    Lease only_v6 = good_peer(kind);
    only_v6.subnet = {{}, *Ipv6Prefix::parse("2001:db8:2::/64")};
    CHECK_THAT(reason(kind, only_v6), Catch::Contains("no IPv4 subnet"));

    Lease nowhere = good_peer(kind);
    nowhere.attributes.public_ip = {};
    CHECK_THAT(reason(kind, nowhere), Catch::Contains("publishes no address"));
}

TEST_CASE("a backend that is not planned names those that are", "[backends]") {
    struct Case {
        BackendConfig config;
        const char* name;
    };
    const auto each = GENERATE(values<Case>({{AllocConfig{}, "alloc"},
                                             {ExtensionConfig{}, "extension"},
                                             {TencentVpcConfig{}, "tencent-vpc"}}));
    NetworkConfig network;
    network.backend = each.config;

    const auto made = make_backend(network);

    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().kind == ErrorKind::unsupported);
    CHECK_THAT(made.error().what,
               Catch::StartsWith("backend " + std::string(each.name)) &&
                   Catch::Contains("vxlan, host-gw, udp, ipsec, ipip, wireguard"));
}

TEST_CASE("wireguard over IPv6 alone is refused with the modes that are planned", "[backends]") {
    NetworkConfig network;
    network.backend = WireguardConfig{.mode = "ipv6"};

    const auto made = make_backend(network);

    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().kind == ErrorKind::unsupported);
    CHECK_THAT(made.error().what, Catch::Contains("Mode ipv6") && Catch::Contains("separate"));
}

TEST_CASE("a network without IPv4 is refused with what to set", "[backends]") {
    NetworkConfig network;
    network.enable_ipv4 = false;
    network.backend = VxlanConfig{};

    const auto made = make_backend(network);

    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().kind == ErrorKind::unsupported);
    CHECK_THAT(made.error().what, Catch::Contains("EnableIPv4"));
}
