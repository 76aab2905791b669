// What each backend plans on host-1 (192.0.2.1 on eth0, subnet 10.244.1.0/24, MTU 1500).
#include <memory>
#include <string>
#include <string_view>

#include "models/backends/backend.h"
#include "models/backends/filter_plan.h"
#include "tests/support/catch.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using overlab::test::lines;

namespace {

Ipv4Address ip(std::string_view text) { return *Ipv4Address::parse(text); }

LocalNode local_node() {
    return {
        {"host-1", "eth0", ip("192.0.2.1"), 1500, "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},
        {*Ipv4Prefix::parse("10.244.1.0/24"), std::nullopt},
        *MacAddress::parse("02:00:00:00:00:01")};
}

std::unique_ptr<Backend> backend(BackendConfig config) {
    NetworkConfig network;
    network.network = *Ipv4Prefix::parse("10.244.0.0/16");
    network.backend = std::move(config);
    return *make_backend(network);
}

Lease peer_lease(std::string type, std::string data = {}) {
    Lease lease;
    lease.subnet.v4 = *Ipv4Prefix::parse("10.244.2.0/24");
    lease.attributes.public_ip = ip("192.0.2.2");
    lease.attributes.backend_type = std::move(type);
    lease.attributes.backend_data = std::move(data);
    return lease;
}

Lease vxlan_peer() { return peer_lease("vxlan", R"({"VNI":1,"VtepMAC":"02:00:00:00:00:02"})"); }

Lease wireguard_peer() {
    return peer_lease(
        "wireguard",
        R"({"PublicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","Port":51821})");
}

std::string text(const Plan& plan) { return ForwardingState::of(plan.rows).to_string(); }

}  // namespace

TEST_CASE("vxlan plans a device with the subnet's first address", "[backends]") {
    VxlanConfig config;
    CHECK(text(backend(config)->plan_local(local_node())) == lines(R"(
        link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
        addr 10.244.1.0/32 dev flannel.1)"));

    config = {.vni = 42, .port = 4789, .mtu = 9000, .learning = true};
    CHECK(text(backend(config)->plan_local(local_node())) == lines(R"(
        link flannel.42 vxlan vni 42 local 192.0.2.1 dev eth0 port 4789 mtu 8950 mac 02:00:00:00:00:01 learning
        addr 10.244.1.0/32 dev flannel.42)"));
}

TEST_CASE("vxlan plans a neighbour, an FDB row and an on-link route a peer", "[backends]") {
    const auto reach = GENERATE(Reach::on_link, Reach::routed, Reach::unknown);

    const Plan plan = backend(VxlanConfig{})->plan_peer(local_node(), vxlan_peer(), reach);

    CHECK(text(plan) == lines(R"(
        neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
        fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink)"));
    CHECK(plan.unsupported.empty());
    CHECK(plan.note.empty());
}

TEST_CASE("vxlan with DirectRouting routes to a near peer and tunnels to a far one", "[backends]") {
    const auto direct = backend(VxlanConfig{.direct_routing = true});
    REQUIRE(direct->wants_reach());

    CHECK(text(direct->plan_peer(local_node(), vxlan_peer(), Reach::on_link)) ==
          "route 10.244.2.0/24 via 192.0.2.2 dev eth0\n");
    CHECK_THAT(text(direct->plan_peer(local_node(), vxlan_peer(), Reach::routed)),
               Catch::Contains("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1"));
    CHECK(direct->overlay_mtu(1500) == 1450);
}

TEST_CASE("vxlan says of a peer in another VNI that it will not hear us", "[backends]") {
    const Lease peer = peer_lease("vxlan", R"({"VNI":7,"VtepMAC":"02:00:00:00:00:02"})");

    const Plan plan = backend(VxlanConfig{})->plan_peer(local_node(), peer, Reach::routed);

    CHECK(plan.rows.size() == 3);
    CHECK(plan.note == "vxlan: peer uses VNI 7, this host 1: it will drop our packets");
}

TEST_CASE("a vxlan peer whose data cannot be used has no rows and a reason", "[backends]") {
    struct Case {
        const char* data;
        const char* reason;
    };
    const auto [data, reason] = GENERATE(values<Case>({
        {"", "BackendData is missing"},
        {"null", "no JSON object"},
        {"{", "no JSON object"},
        {R"({"VNI":1})", "no VtepMAC"},
        {R"({"VNI":1,"VtepMAC":"02:00:00:00:00"})", "02:00:00:00:00"},
        {R"({"VNI":1,"VtepMAC":"01:00:5e:00:00:01"})", "no unicast address"},
        {R"({"VNI":1,"VtepMAC":"00:00:00:00:00:00"})", "no unicast address"},
        {R"({"VNI":16777216,"VtepMAC":"02:00:00:00:00:02"})", "VNI is no number"},
        {R"({"VNI":"1","VtepMAC":"02:00:00:00:00:02"})", "VNI is no number"},
        {R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})", "this host's own VTEP MAC"},
    }));
    INFO(data);

    const Plan plan =
        backend(VxlanConfig{})->plan_peer(local_node(), peer_lease("vxlan", data), Reach::routed);

    CHECK(plan.rows.empty());
    CHECK_THAT(plan.unsupported, Catch::StartsWith("vxlan: ") && Catch::Contains(reason));
}

TEST_CASE("host-gw routes to peers of its segment and to no others", "[backends]") {
    const auto host_gw = backend(HostGwConfig{});
    const Lease peer = peer_lease("host-gw");
    CHECK(host_gw->plan_local(local_node()) == Plan{});

    CHECK(text(host_gw->plan_peer(local_node(), peer, Reach::on_link)) ==
          "route 10.244.2.0/24 via 192.0.2.2 dev eth0\n");

    const Plan routed = host_gw->plan_peer(local_node(), peer, Reach::routed);
    CHECK(routed.rows.empty());
    CHECK(routed.unsupported ==
          "host-gw: peer behind a router (192.0.2.2 is not on eth0's segment)");
    CHECK(host_gw->plan_peer(local_node(), peer, Reach::unknown).unsupported ==
          "host-gw: no route to 192.0.2.2");
}

TEST_CASE("udp plans one route for the network and a proxy entry a peer", "[backends]") {
    const auto udp = backend(UdpConfig{.port = 8300});

    CHECK(text(udp->plan_local(local_node())) == lines(R"(
        link flannel0 tun local 192.0.2.1 port 8300 mtu 1472
        addr 10.244.1.0/32 dev flannel0
        route 10.244.0.0/16 dev flannel0)"));
    CHECK(text(udp->plan_peer(local_node(), peer_lease(""), Reach::unknown)) ==
          "tunnel 10.244.2.0/24 to 192.0.2.2:8300 dev flannel0\n");
}

TEST_CASE("ipsec plans three policies and a connection a peer", "[backends]") {
    const std::string psk(96, 'k');
    const auto ipsec = backend(IpsecConfig{.psk = psk, .udp_encap = true});
    CHECK(ipsec->plan_local(local_node()) == Plan{});

    const Plan plan = ipsec->plan_peer(local_node(), peer_lease("ipsec"), Reach::unknown);

    CHECK(text(plan) == lines(R"(
        policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
        policy in 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11
        policy fwd 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11)"));
    REQUIRE(plan.connection.has_value());
    CHECK(plan.connection->name() == "192.0.2.1-10.244.1.0/24-10.244.2.0/24-192.0.2.2");
    CHECK(plan.connection->psk == psk);
    CHECK(plan.connection->esp_proposal == "aes128gcm16-sha256-prfsha256-ecp256");
    CHECK(plan.connection->udp_encap);
}

TEST_CASE("ipip plans a device and an on-link route a peer", "[backends]") {
    const auto reach = GENERATE(Reach::on_link, Reach::routed, Reach::unknown);
    const auto ipip = backend(IpipConfig{});
    CHECK_FALSE(ipip->wants_reach());

    CHECK(text(ipip->plan_local(local_node())) == lines(R"(
        link flannel.ipip ipip local 192.0.2.1 mtu 1480
        addr 10.244.1.0/32 dev flannel.ipip)"));
    CHECK(text(ipip->plan_peer(local_node(), peer_lease("ipip"), reach)) ==
          "route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink\n");
}

TEST_CASE("ipip with DirectRouting routes to a near peer and tunnels to a far one", "[backends]") {
    const auto direct = backend(IpipConfig{.direct_routing = true});
    REQUIRE(direct->wants_reach());

    CHECK(text(direct->plan_peer(local_node(), peer_lease("ipip"), Reach::on_link)) ==
          "route 10.244.2.0/24 via 192.0.2.2 dev eth0\n");
    CHECK(text(direct->plan_peer(local_node(), peer_lease("ipip"), Reach::routed)) ==
          "route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink\n");
    CHECK(direct->overlay_mtu(1500) == 1480);
}

TEST_CASE("wireguard plans one route for the network and a peer a peer", "[backends]") {
    const auto wireguard = backend(WireguardConfig{});

    CHECK(text(wireguard->plan_local(local_node())) == lines(R"(
        link flannel-wg wireguard port 51820 mtu 1420
        addr 10.244.1.0/32 dev flannel-wg
        route 10.244.0.0/16 dev flannel-wg)"));
    CHECK(text(wireguard->plan_peer(local_node(), wireguard_peer(), Reach::unknown)) == lines(R"(
        peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51821 allowed 10.244.2.0/24 dev flannel-wg)"));
}

TEST_CASE("wireguard's peers get the pre-shared key, which no text shows", "[backends]") {
    const std::string psk = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    const auto wireguard =
        backend(WireguardConfig{.psk = psk, .persistent_keepalive = seconds(25)});

    const Plan plan = wireguard->plan_peer(local_node(), wireguard_peer(), Reach::unknown);

    REQUIRE(plan.rows.size() == 1);
    const WireguardPeerRow& peer = std::get<WireguardPeerRow>(plan.rows[0]);
    REQUIRE(peer.psk.key != nullptr);
    CHECK(peer.psk.key->to_string() == psk);
    CHECK(peer.keepalive_s == 25);
    CHECK_THAT(text(plan), Catch::Contains("keepalive 25 psk #") && !Catch::Contains(psk));
}

TEST_CASE("a wireguard peer that says no port is taken to listen where we do", "[backends]") {
    const Lease peer =
        peer_lease("wireguard", R"({"PublicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="})");

    const Plan plan = backend(WireguardConfig{.listen_port = 4242})
                          ->plan_peer(local_node(), peer, Reach::unknown);

    CHECK_THAT(text(plan), Catch::Contains("endpoint 192.0.2.2:4242"));
}

TEST_CASE("wireguard in a world without keys says where there are some", "[backends]") {
    LocalNode local = local_node();
    local.host.wireguard_public_key.clear();

    const Plan plan = backend(WireguardConfig{})->plan_local(local);

    CHECK(plan.rows.empty());
    CHECK_THAT(plan.unsupported,
               Catch::StartsWith("wireguard: host-1") && Catch::Contains("--world kernel"));
}

TEST_CASE("a wireguard peer whose data cannot be used has no rows and a reason", "[backends]") {
    struct Case {
        const char* data;
        const char* reason;
    };
    const auto [data, reason] = GENERATE(values<Case>({
        {"", "BackendData is missing"},
        {"null", "no JSON object"},
        {"{", "no JSON object"},
        {R"({"Port":51820})", "no PublicKey"},
        {R"({"PublicKey":7})", "no PublicKey"},
        {R"({"PublicKey":"AgIC"})", "PublicKey is no key"},
        {R"({"PublicKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})", "PublicKey is zero"},
        {R"({"PublicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","Port":0})",
         "Port is no number in 1..65535"},
        {R"({"PublicKey":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","Port":65536})",
         "Port is no number in 1..65535"},
        {R"({"PublicKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="})",
         "this host's own public key"},
    }));
    INFO(data);

    const Plan plan = backend(WireguardConfig{})
                          ->plan_peer(local_node(), peer_lease("wireguard", data), Reach::routed);

    CHECK(plan.rows.empty());
    CHECK_THAT(plan.unsupported, Catch::StartsWith("wireguard: ") && Catch::Contains(reason));
}

TEST_CASE("filter rules are planned as the options ask", "[backends]") {
    const Ipv4Prefix network = *Ipv4Prefix::parse("10.244.0.0/16");
    const Ipv4Prefix subnet = *Ipv4Prefix::parse("10.244.1.0/24");
    const auto plan = [&](const FilterOptions& options) {
        return ForwardingState::of(plan_filter(options, network, subnet)).to_string();
    };

    CHECK(plan({}).empty());
    CHECK(plan({.forward = true}) == "filter forward 10.244.0.0/16\n");
    CHECK(plan({.masquerade = true, .forward = true}) == lines(R"(
        filter forward 10.244.0.0/16
        filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random)"));
    CHECK(plan({.masquerade = true, .fully_random = false}) ==
          "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24\n");
}

TEST_CASE("what a host publishes is what flannel's hosts publish", "[backends]") {
    struct Case {
        const char* name;
        BackendConfig config;
        const char* type;
        const char* data;
    };
    const auto each = GENERATE(values<Case>({
        {"vxlan", VxlanConfig{.vni = 3}, "vxlan", R"({"VNI":3,"VtepMAC":"02:00:00:00:00:01"})"},
        {"host-gw", HostGwConfig{}, "host-gw", ""},
        {"udp publishes no type", UdpConfig{}, "", ""},
        {"ipsec", IpsecConfig{}, "ipsec", ""},
        {"ipip", IpipConfig{}, "ipip", ""},
        {"wireguard", WireguardConfig{}, "wireguard",
         R"({"PublicKey":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","Port":51820})"},
    }));
    INFO(each.name);

    const LeaseAttributes says =
        backend(each.config)->attributes(local_node().host, local_node().vtep_mac);

    CHECK(says.public_ip.to_string() == "192.0.2.1");
    CHECK(says.backend_type == each.type);
    CHECK(says.backend_data == each.data);
    CHECK_FALSE(says.public_ipv6.has_value());
}

TEST_CASE("pods get what the encapsulation leaves of the underlay's MTU", "[backends]") {
    struct Case {
        const char* name;
        BackendConfig config;
        std::uint32_t of_1500, of_9000;
    };
    const auto each = GENERATE(values<Case>({
        {"vxlan", VxlanConfig{}, 1450, 8950},
        {"vxlan with an MTU of its own", VxlanConfig{.mtu = 1400}, 1350, 1350},
        {"host-gw", HostGwConfig{}, 1500, 9000},
        {"udp", UdpConfig{}, 1472, 8972},
        {"ipsec", IpsecConfig{}, 1423, 8923},
        {"ipsec through NAT", IpsecConfig{.udp_encap = true}, 1415, 8915},
        {"ipip", IpipConfig{}, 1480, 8980},
        {"wireguard", WireguardConfig{}, 1420, 8920},
        {"wireguard with an MTU of its own", WireguardConfig{.mtu = 1400}, 1320, 1320},
    }));
    INFO(each.name);

    CHECK(backend(each.config)->overlay_mtu(1500) == each.of_1500);
    CHECK(backend(each.config)->overlay_mtu(9000) == each.of_9000);
}

TEST_CASE("an underlay MTU smaller than the overhead leaves nothing", "[backends]") {
    CHECK(backend(VxlanConfig{})->overlay_mtu(50) == 0);
    CHECK(backend(UdpConfig{})->overlay_mtu(27) == 0);
    CHECK(backend(IpsecConfig{})->overlay_mtu(78) == 1);
    CHECK(backend(IpipConfig{})->overlay_mtu(20) == 0);
    CHECK(backend(WireguardConfig{})->overlay_mtu(79) == 0);
}
