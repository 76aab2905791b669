//   pod 10.244.1.2 - h1 192.0.2.1 --+-- h2 192.0.2.2 - pod 10.244.2.2
//   pod 10.244.1.3 -'               |
//                                router
//                                   '-- far 198.51.100.3 - pod 10.244.3.2
#include "models/forwarding/packet_walk.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/fake_host_stack.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using overlab::test::FakeHostStack;
using overlab::test::rows;

namespace {

Ipv4Address ip(std::string_view text) { return *Ipv4Address::parse(text); }

/// Three hosts with pods and nothing installed.
class Lab {
   public:
    std::uint32_t mtu_to_far = 1500;
    bool far_is_cut_off = false;
    std::uint32_t mtu_to_h2 = 1500;

    Lab() {
        set_up(0, "192.0.2.1", "10.244.1.1");
        set_up(1, "192.0.2.2", "10.244.2.1");
        set_up(2, "198.51.100.3", "10.244.3.1");
    }

    void install(std::size_t host, std::string_view text) {
        for (const Row& row : rows(text)) {
            const Result<void> done = stacks_[host]->tables().install(row);
            INFO((done ? "" : done.error().what));
            REQUIRE(done.has_value());
        }
    }
    void withdraw(std::size_t host, std::string_view text) {
        for (const Row& row : rows(text))
            REQUIRE(stacks_[host]->tables().withdraw(row).has_value());
    }

    [[nodiscard]] Walk walk(WalkPacket packet) const {
        const std::vector<WalkHost> hosts = {
            {"h1", ip("192.0.2.1"), &stacks_[0]->tables(), {ip("10.244.1.2"), ip("10.244.1.3")}},
            {"h2", ip("192.0.2.2"), &stacks_[1]->tables(), {ip("10.244.2.2")}},
            {"far", ip("198.51.100.3"), &stacks_[2]->tables(), {ip("10.244.3.2")}},
        };
        const auto path = [this](const std::string& from, const std::string& to,
                                 std::uint64_t) -> std::optional<UnderlayPath> {
            if (from != "far" && to != "far") return UnderlayPath{{"tor1"}, mtu_to_h2, 0};
            if (far_is_cut_off) return std::nullopt;
            return UnderlayPath{{"tor1", "router"}, mtu_to_far, 1};
        };
        return PacketWalk(hosts, path).walk(packet);
    }
    [[nodiscard]] Walk walk(std::string_view from, std::string_view to) const {
        return walk({.source = ip(from), .destination = ip(to)});
    }

   private:
    void set_up(std::size_t i, std::string_view address, std::string_view bridge) {
        stacks_[i] = std::make_unique<FakeHostStack>("host", ip(address));
        ForwardingTables& tables = stacks_[i]->tables();
        const LinkIndex cni0 = tables.add_host_link(
            {.name = "cni0", .kind = TableLink::Kind::bridge, .local = ip(bridge), .mac = {}});
        tables.add_host_address(cni0, ip(bridge), 24);
    }

    std::array<std::unique_ptr<FakeHostStack>, 3> stacks_;
};

constexpr std::size_t h1 = 0, h2 = 1, far = 2;

constexpr std::string_view h1_vxlan = R"(
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
    fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
    route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1
    fdb 02:00:00:00:00:03 dst 198.51.100.3 dev flannel.1
    route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink)";
constexpr std::string_view h2_vxlan =
    "link flannel.1 vxlan vni 1 local 192.0.2.2 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:02";
constexpr std::string_view far_vxlan =
    "link flannel.1 vxlan vni 1 local 198.51.100.3 dev eth0 port 8472 mtu 1450 mac "
    "02:00:00:00:00:03";

Lab vxlan_lab() {
    Lab lab;
    lab.install(h1, h1_vxlan);
    lab.install(h2, h2_vxlan);
    lab.install(far, far_vxlan);
    return lab;
}

Lab udp_lab() {
    Lab lab;
    lab.install(h1, R"(
        link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
        tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0
        tunnel 10.244.3.0/24 to 198.51.100.3:8285 dev flannel0
        route 10.244.0.0/16 dev flannel0)");
    lab.install(h2, "link flannel0 tun local 192.0.2.2 port 8285 mtu 1472");
    lab.install(far, "link flannel0 tun local 198.51.100.3 port 8285 mtu 1472");
    return lab;
}

Lab ipip_lab() {
    Lab lab;
    lab.install(h1, R"(
        link flannel.ipip ipip local 192.0.2.1 mtu 1480
        route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink
        route 10.244.3.0/24 via 198.51.100.3 dev flannel.ipip onlink)");
    lab.install(h2, "link flannel.ipip ipip local 192.0.2.2 mtu 1480");
    lab.install(far, "link flannel.ipip ipip local 198.51.100.3 mtu 1480");
    return lab;
}

constexpr std::string_view h2_wireguard_peer =
    "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.1:51820 allowed "
    "10.244.1.0/24 dev flannel-wg";

Lab wireguard_lab() {
    Lab lab;
    lab.install(h1, R"(
        link flannel-wg wireguard port 51820 mtu 1420
        peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg
        route 10.244.0.0/16 dev flannel-wg)");
    lab.install(h2, "link flannel-wg wireguard port 51820 mtu 1420");
    lab.install(h2, h2_wireguard_peer);
    return lab;
}

Lab host_gw_lab() {
    Lab lab;
    lab.install(h1, "route 10.244.2.0/24 via 192.0.2.2 dev eth0");
    return lab;
}

Lab ipsec_lab() {
    Lab lab;
    lab.install(h1, R"(
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
        policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
        sa 192.0.2.1 -> 198.51.100.3 spi 0xc0000003 reqid 11
        policy out 10.244.1.0/24 -> 10.244.3.0/24 tunnel 192.0.2.1 -> 198.51.100.3 reqid 11)");
    lab.install(h2, R"(
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
        policy fwd 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11)");
    lab.install(far, R"(
        sa 192.0.2.1 -> 198.51.100.3 spi 0xc0000003 reqid 11
        policy fwd 10.244.1.0/24 -> 10.244.3.0/24 tunnel 192.0.2.1 -> 198.51.100.3 reqid 11)");
    return lab;
}

std::string stages(const Walk& walk) {
    std::string text;
    for (const WalkStep& step : walk.steps) text += step.host + ':' + step.stage + ' ';
    return text;
}

const WalkStep& last(const Walk& walk) { return walk.steps.back(); }

}  // namespace

TEST_CASE("pods of one host are bridged, whatever else is installed", "[walk]") {
    const Walk walk =
        vxlan_lab().walk({.source = ip("10.244.1.2"), .destination = ip("10.244.1.3"), .ttl = 1});

    CHECK(walk.disposition == Disposition::delivered);
    CHECK(stages(walk) == "h1:pod h1:deliver ");
}

TEST_CASE("a packet by VXLAN shows every table that decided", "[walk]") {
    const Walk walk = vxlan_lab().walk("10.244.1.2", "10.244.2.2");

    CHECK(walk.disposition == Disposition::delivered);
    CHECK(walk.at == "h2");
    CHECK(
        stages(walk) ==
        "h1:pod h1:route h1:neighbour h1:fdb h1:encap h1:underlay h2:decap h2:bridge h2:deliver ");
    CHECK(walk.steps[1].row == "route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink");
    CHECK(walk.steps[2].row == "neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1");
    CHECK(walk.steps[3].row == "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1");
    CHECK(walk.steps[4].size == 84 + 50);
    CHECK(walk.steps[6].size == 84);
}

TEST_CASE("what each backend adds on the wire and takes from the TTL", "[walk]") {
    struct Case {
        const char* backend;
        Lab lab;
        std::uint32_t wire_size;
        const char* ttl;
    };
    std::vector<Case> cases;
    cases.push_back({"host-gw", host_gw_lab(), 84, "TTL 62"});
    cases.push_back({"vxlan", vxlan_lab(), 84 + 50, "TTL 62"});
    cases.push_back({"udp", udp_lab(), 84 + 28, "TTL 60"});
    cases.push_back({"ipip", ipip_lab(), 84 + 20, "TTL 62"});
    // The packet is filled up to 96 bytes.
    cases.push_back({"wireguard", wireguard_lab(), 96 + 20 + 8 + 16 + 16, "TTL 62"});
    cases.push_back({"ipsec", ipsec_lab(), 84 + 20 + 8 + 8 + 2 + 2 + 16, "TTL 62"});
    for (const Case& each : cases) {
        INFO(each.backend);

        const Walk walk = each.lab.walk("10.244.1.2", "10.244.2.2");

        CHECK(walk.disposition == Disposition::delivered);
        std::uint32_t largest = 0;
        for (const WalkStep& step : walk.steps) largest = std::max(largest, step.size);
        CHECK(largest == each.wire_size);
        CHECK_THAT(last(walk).what, Catch::Contains(each.ttl));
    }
}

TEST_CASE("a missing row ends the walk at the stage that needed it", "[walk]") {
    struct Case {
        const char* missing;
        Lab lab;
        std::size_t host;
        std::string_view row;
        Disposition disposition;
        std::string_view stage, at;
    };
    std::vector<Case> cases;
    cases.push_back({"route, so that the packet leaks to the router", vxlan_lab(), h1,
                     "route 10.244.2.0/24 dev flannel.1", Disposition::no_route, "underlay", "h1"});
    cases.push_back({"neighbour", vxlan_lab(), h1,
                     "neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1",
                     Disposition::neighbour_unresolved, "neighbour", "h1"});
    cases.push_back({"FDB row", vxlan_lab(), h1,
                     "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1", Disposition::fdb_miss,
                     "fdb", "h1"});
    cases.push_back({"the receiver's device", vxlan_lab(), h2, h2_vxlan, Disposition::no_listener,
                     "decap", "h2"});
    cases.push_back({"proxy's peer", udp_lab(), h1,
                     "tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0",
                     Disposition::tunnel_peer_missing, "tunnel", "h1"});
    cases.push_back({"the receiver's proxy", udp_lab(), h2,
                     "link flannel0 tun local 192.0.2.2 port 8285 mtu 1472",
                     Disposition::no_listener, "decap", "h2"});
    cases.push_back({"ipip's device at the receiver", ipip_lab(), h2,
                     "link flannel.ipip ipip local 192.0.2.2 mtu 1480", Disposition::no_listener,
                     "decap", "h2"});
    cases.push_back({"WireGuard's peer to send to", wireguard_lab(), h1,
                     "peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 "
                     "allowed 10.244.2.0/24 dev flannel-wg",
                     Disposition::tunnel_peer_missing, "tunnel", "h1"});
    cases.push_back({"WireGuard's peer to receive from", wireguard_lab(), h2, h2_wireguard_peer,
                     Disposition::no_listener, "decap", "h2"});
    cases.push_back({"WireGuard's device at the receiver", wireguard_lab(), h2,
                     "link flannel-wg wireguard port 51820 mtu 1420", Disposition::no_listener,
                     "decap", "h2"});
    cases.push_back({"SA to send", ipsec_lab(), h1,
                     "sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11", Disposition::sa_missing,
                     "sa", "h1"});
    cases.push_back({"SA to receive", ipsec_lab(), h2,
                     "sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11", Disposition::sa_missing,
                     "decap", "h2"});
    cases.push_back({"forward policy", ipsec_lab(), h2,
                     "policy fwd 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 "
                     "reqid 11",
                     Disposition::policy_mismatch, "policy", "h2"});
    for (Case& each : cases) {
        INFO(each.missing);
        each.lab.withdraw(each.host, each.row);

        const Walk walk = each.lab.walk("10.244.1.2", "10.244.2.2");

        CHECK(to_string(walk.disposition) == to_string(each.disposition));
        CHECK(last(walk).stage == each.stage);
        CHECK(walk.at == each.at);
    }
}

TEST_CASE("a frame for another VTEP or network is dropped where it arrives", "[walk]") {
    const auto device =
        GENERATE(as<std::string_view>{},
                 "link flannel.1 vxlan vni 1 local 192.0.2.2 dev eth0 port 8472 mtu 1450 mac "
                 "02:00:00:00:00:99",
                 "link flannel.1 vxlan vni 2 local 192.0.2.2 dev eth0 port 8472 mtu 1450 mac "
                 "02:00:00:00:00:02",
                 "link flannel.1 vxlan vni 1 local 192.0.2.2 dev eth0 port 4789 mtu 1450 mac "
                 "02:00:00:00:00:02");
    INFO(device);
    Lab lab = vxlan_lab();
    lab.install(h2, device);

    CHECK(lab.walk("10.244.1.2", "10.244.2.2").disposition == Disposition::no_listener);
}

TEST_CASE("host-gw leads nowhere across a router", "[walk]") {
    Lab lab = host_gw_lab();
    // Only a wrong netmask makes the kernel take such a route; then nobody answers ARP.
    lab.install(h1, "route 10.244.3.0/24 via 198.51.100.3 dev eth0 onlink");

    const Walk walk = lab.walk("10.244.1.2", "10.244.3.2");

    CHECK(walk.disposition == Disposition::neighbour_unresolved);
    CHECK_THAT(last(walk).what, Catch::Contains("far is behind a router"));
}

TEST_CASE("a packet that does not fit is reported, cut or lost as its headers say", "[walk]") {
    struct Case {
        const char* what;
        Lab lab;
        const char* to;
        std::uint32_t size;
        bool dont_fragment;
        std::uint32_t mtu_to_far, mtu_to_h2;
        Disposition disposition;
    };
    std::vector<Case> cases;
    using enum Disposition;
    const char* near_pod = "10.244.2.2";
    const char* far_pod = "10.244.3.2";
    cases.push_back({"vxlan, full size", vxlan_lab(), near_pod, 1450, true, 1500, 1500, delivered});
    cases.push_back(
        {"vxlan, a byte more", vxlan_lab(), near_pod, 1451, true, 1500, 1500, mtu_exceeded});
    cases.push_back({"vxlan, a byte more, may be cut", vxlan_lab(), near_pod, 1451, false, 1500,
                     1500, delivered});
    cases.push_back({"vxlan's outer DF is clear: the router cuts it", vxlan_lab(), far_pod, 1450,
                     true, 1400, 1500, delivered});
    cases.push_back(
        {"a switch cannot cut: lost", vxlan_lab(), near_pod, 1450, true, 1500, 1400, mtu_exceeded});
    cases.push_back({"udp, full size", udp_lab(), near_pod, 1472, true, 1500, 1500, delivered});
    cases.push_back(
        {"udp, a byte more", udp_lab(), near_pod, 1473, true, 1500, 1500, mtu_exceeded});
    cases.push_back(
        {"udp, small path behind a router", udp_lab(), far_pod, 1472, true, 1400, 1500, delivered});
    cases.push_back({"ipip, full size", ipip_lab(), near_pod, 1480, true, 1500, 1500, delivered});
    cases.push_back(
        {"ipip, a byte more", ipip_lab(), near_pod, 1481, true, 1500, 1500, mtu_exceeded});
    cases.push_back({"ipip copies DF: the router refuses", ipip_lab(), far_pod, 1480, true, 1400,
                     1500, mtu_exceeded});
    cases.push_back({"ipip without DF", ipip_lab(), far_pod, 1480, false, 1400, 1500, delivered});
    // 1420 is no multiple of 16, and is not filled up beyond the device's MTU.
    cases.push_back(
        {"wireguard, full size", wireguard_lab(), near_pod, 1420, true, 1500, 1480, delivered});
    cases.push_back({"wireguard, a byte more", wireguard_lab(), near_pod, 1421, true, 1500, 1500,
                     mtu_exceeded});
    cases.push_back({"ipsec, full size", ipsec_lab(), near_pod, 1446, true, 1500, 1500, delivered});
    cases.push_back(
        {"ipsec, a byte more", ipsec_lab(), near_pod, 1447, true, 1500, 1500, mtu_exceeded});
    cases.push_back({"ipsec copies DF: the router refuses", ipsec_lab(), far_pod, 1423, true, 1400,
                     1500, mtu_exceeded});
    cases.push_back({"ipsec without DF", ipsec_lab(), far_pod, 1423, false, 1400, 1500, delivered});
    cases.push_back(
        {"host-gw, full size", host_gw_lab(), near_pod, 1500, true, 1500, 1500, delivered});
    cases.push_back(
        {"host-gw, a byte more", host_gw_lab(), near_pod, 1501, true, 1500, 1500, mtu_exceeded});
    for (Case& each : cases) {
        INFO(each.what);
        each.lab.mtu_to_far = each.mtu_to_far;
        each.lab.mtu_to_h2 = each.mtu_to_h2;

        const Walk walk = each.lab.walk({.source = ip("10.244.1.2"),
                                         .destination = ip(each.to),
                                         .size = each.size,
                                         .dont_fragment = each.dont_fragment});

        CHECK(to_string(walk.disposition) == to_string(each.disposition));
    }
}

TEST_CASE("TTL ends where it is used up", "[walk]") {
    struct Case {
        const char* what;
        Lab lab;
        std::uint8_t ttl;
        std::string_view at;
        Disposition disposition;
    };
    std::vector<Case> cases;
    using enum Disposition;
    cases.push_back({"the sending host", vxlan_lab(), 1, "h1", ttl_expired});
    cases.push_back({"the receiving host", vxlan_lab(), 2, "h2", ttl_expired});
    cases.push_back({"two forwards need three", vxlan_lab(), 3, "h2", delivered});
    cases.push_back({"the sending proxy", udp_lab(), 2, "h1", ttl_expired});
    cases.push_back({"the receiving proxy", udp_lab(), 3, "h2", ttl_expired});
    cases.push_back({"the receiving host after its proxy", udp_lab(), 4, "h2", ttl_expired});
    cases.push_back({"two forwards and two proxies need five", udp_lab(), 5, "h2", delivered});
    for (const Case& each : cases) {
        INFO(each.what);

        const Walk walk = each.lab.walk(
            {.source = ip("10.244.1.2"), .destination = ip("10.244.2.2"), .ttl = each.ttl});

        CHECK(to_string(walk.disposition) == to_string(each.disposition));
        CHECK(walk.at == each.at);
    }
}

TEST_CASE("clear text where a policy demands ESP is dropped", "[walk]") {
    Lab lab = host_gw_lab();
    lab.install(h2,
                "policy fwd 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid "
                "11");

    const Walk walk = lab.walk("10.244.1.2", "10.244.2.2");

    CHECK(walk.disposition == Disposition::policy_mismatch);
    CHECK(walk.at == "h2");
    CHECK_THAT(last(walk).row, Catch::StartsWith("policy fwd 10.244.1.0/24"));
}

TEST_CASE("hosts that send a packet to each other are a loop", "[walk]") {
    Lab lab = host_gw_lab();
    lab.install(h1, "route 10.244.9.0/24 via 192.0.2.2 dev eth0");
    lab.install(h2, "route 10.244.9.0/24 via 192.0.2.1 dev eth0");

    const Walk walk = lab.walk("10.244.1.2", "10.244.9.9");

    CHECK(walk.disposition == Disposition::loop);
    CHECK(walk.at == "h1");
}

TEST_CASE("where the underlay has no way there is none", "[walk]") {
    Lab lab = vxlan_lab();
    lab.far_is_cut_off = true;

    const Walk walk = lab.walk("10.244.1.2", "10.244.3.2");

    CHECK(walk.disposition == Disposition::unreachable_underlay);
    CHECK(last(walk).what == "the underlay has no way from h1 to far");
}

TEST_CASE("an address that no pod has is unresolved on the bridge of its subnet", "[walk]") {
    CHECK(vxlan_lab().walk("10.244.1.2", "10.244.2.77").disposition ==
          Disposition::neighbour_unresolved);
}

TEST_CASE("a pod reaches a host's own address, through a router too", "[walk]") {
    CHECK(vxlan_lab().walk("10.244.1.2", "192.0.2.2").disposition == Disposition::delivered);
    CHECK(vxlan_lab().walk("10.244.1.2", "198.51.100.3").disposition == Disposition::delivered);
}
