// What a simulated host does with packets, checked at the pods: the same checks for every backend.
#include <string>

#include "tests/support/catch.h"
#include "tests/support/sim_lab.h"

using namespace overlab;
using namespace overlab::test;
using sim::DropReason;

namespace {

const std::string psk(96, 'k');

std::string network_json(const std::string& backend) {
    return R"({"Network": "10.244.0.0/16", "Backend": )" + backend + "}";
}

struct BackendCase {
    std::string name, json;
    std::uint32_t mtu;
    std::uint8_t ttl;  ///< of a packet sent with TTL 64 and received by the peer pod
};

const std::vector<BackendCase> backends{
    {"host-gw", R"({"Type": "host-gw"})", 1500, 62},
    {"vxlan", R"({"Type": "vxlan"})", 1450, 62},
    {"vxlan with DirectRouting", R"({"Type": "vxlan", "DirectRouting": true})", 1450, 62},
    {"udp", R"({"Type": "udp"})", 1472, 60},
    {"ipip", R"({"Type": "ipip"})", 1480, 62},
    {"ipip with DirectRouting", R"({"Type": "ipip", "DirectRouting": true})", 1480, 62},
    {"ipsec", R"({"Type": "ipsec", "PSK": ")" + psk + R"("})", 1423, 62},
};

std::uint8_t icmp_type(const RecordingPod::Received& packet) { return packet.headers[20]; }
std::uint8_t icmp_code(const RecordingPod::Received& packet) { return packet.headers[21]; }
std::uint16_t icmp_mtu(const RecordingPod::Received& packet) {
    return load_be16(packet.headers.data() + 26);
}

}  // namespace

TEST_CASE("a packet of the overlay MTU reaches the peer pod under every backend") {
    for (const BackendCase& backend : backends) {
        INFO(backend.name);
        SimLab lab(star_scenario(2), network_json(backend.json));
        lab.install_sas(0, 1);

        lab.pod(0).send_udp(lab.pod(1).address, lab.pod(0).mtu);
        lab.run();

        CHECK(lab.pod(0).mtu == backend.mtu);
        REQUIRE(lab.pod(1).received.size() == 1);
        CHECK(lab.pod(1).received[0].payload_bytes == backend.mtu - 28);
        CHECK(lab.pod(1).received[0].headers[8] == backend.ttl);
        CHECK(ipv4_header_checksum(lab.pod(1).received[0].headers.data()) ==
              load_be16(lab.pod(1).received[0].headers.data() + 10));
    }
}

TEST_CASE("two pods of one host are bridged: no TTL is taken") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "vxlan"})"));

    lab.pod(0).send_udp(lab.pod(0).address, 100);
    lab.run();

    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(lab.pod(0).received[0].headers[8] == 64);
}

TEST_CASE("a packet larger than the tunnel's MTU is answered with fragmentation needed") {
    for (const auto& [json, mtu] :
         {std::pair<std::string, std::uint16_t>{R"({"Type": "vxlan"})", 1450},
          {R"({"Type": "udp"})", 1472},
          {R"({"Type": "ipip"})", 1480},
          {R"({"Type": "ipsec", "PSK": ")" + psk + R"("})", 1446}}) {
        INFO(json);
        SimLab lab(star_scenario(2), network_json(json));
        lab.install_sas(0, 1);

        lab.pod(0).send_udp(lab.pod(1).address, 1481);
        lab.run();

        CHECK(lab.pod(1).received.empty());
        REQUIRE(lab.pod(0).received.size() == 1);
        CHECK(icmp_type(lab.pod(0).received[0]) == 3);
        CHECK(icmp_code(lab.pod(0).received[0]) == 4);
        CHECK(icmp_mtu(lab.pod(0).received[0]) == mtu);
        CHECK(lab.host(0).drops(DropReason::mtu_exceeded) == 1);
    }
}

TEST_CASE("a TTL of one ends at the first host with time exceeded") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "vxlan"})"));

    lab.pod(0).send_udp(lab.pod(1).address, 100, 1);
    lab.run();

    CHECK(lab.pod(1).received.empty());
    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_type(lab.pod(0).received[0]) == 11);
}

TEST_CASE("an overlay address nobody leases follows the default route and stays unanswered") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "vxlan"})"));

    lab.pod(0).send_udp({0x0af4c801}, 100);  // 10.244.200.1
    lab.run(5'000'000'000);                  // three ARP requests, a second apart

    CHECK(lab.host(0).drops(DropReason::neighbour_unresolved) == 1);
    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_type(lab.pod(0).received[0]) == 3);
    CHECK(icmp_code(lab.pod(0).received[0]) == 1);
}

TEST_CASE("without an SA an ipsec host sends nothing at all") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "ipsec", "PSK": ")" + psk + R"("})"));

    lab.pod(0).send_udp(lab.pod(1).address, 100);
    lab.run();

    CHECK(lab.pod(1).received.empty());
    CHECK(lab.host(0).drops(DropReason::sa_missing) == 1);
    CHECK(lab.host(0).clear_pod_bytes() == 0);
}

TEST_CASE("a packet in clear that a policy covers is refused on arrival") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "ipsec", "PSK": ")" + psk + R"("})"));
    const ForwardingState before = lab.host(0).tables().dump();
    for (const Row& row : before.rows()) {  // h1 forgets its policies
        REQUIRE(lab.host(0).tables().withdraw(row).has_value());
    }
    RouteRow direct{.destination = Ipv4Prefix::of({0x0af40200}, 24),
                    .link = "eth0",
                    .gateway = lab.host(1).address()};
    REQUIRE(lab.host(0).tables().install(direct).has_value());

    lab.pod(0).send_udp(lab.pod(1).address, 100);
    lab.run();

    CHECK(lab.pod(1).received.empty());
    CHECK(lab.host(1).drops(DropReason::policy_mismatch) == 1);
}

TEST_CASE("a smaller path: vxlan is fragmented and arrives whole") {
    SimLab lab(routed_scenario(1400), network_json(R"({"Type": "vxlan"})"));

    lab.pod(0).send_udp(lab.pod(1).address, 1450);
    lab.run();

    REQUIRE(lab.pod(1).received.size() == 1);
    CHECK(lab.pod(1).received[0].payload_bytes == 1450 - 28);
}

TEST_CASE("a smaller path: the udp proxy loses one packet, then fragments") {
    SimLab lab(routed_scenario(1400), network_json(R"({"Type": "udp"})"));

    lab.pod(0).send_udp(lab.pod(1).address, 1472);
    lab.run();
    CHECK(lab.pod(1).received.empty());

    lab.pod(0).send_udp(lab.pod(1).address, 1472);
    lab.run();
    CHECK(lab.pod(1).received.size() == 1);
}

TEST_CASE("a smaller path: ipsec learns it and tells the pod") {
    SimLab lab(routed_scenario(1400),
               network_json(R"({"Type": "ipsec", "PSK": ")" + psk + R"("})"));
    lab.install_sas(0, 1);

    lab.pod(0).send_udp(lab.pod(1).address, 1423);  // DF is copied: a router refuses the ESP packet
    lab.run();
    CHECK(lab.pod(0).received.empty());

    lab.pod(0).send_udp(lab.pod(1).address, 1423);
    lab.run();
    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_code(lab.pod(0).received[0]) == 4);
    CHECK(icmp_mtu(lab.pod(0).received[0]) == 1346);

    lab.pod(0).send_udp(lab.pod(1).address, 1346);
    lab.run();
    CHECK(lab.pod(1).received.size() == 1);
}

TEST_CASE("a smaller path: ipip learns it and tells the pod") {
    SimLab lab(routed_scenario(1400), network_json(R"({"Type": "ipip"})"));

    lab.pod(0).send_udp(lab.pod(1).address, 1480);  // DF is copied: a router refuses the packet
    lab.run();
    CHECK(lab.pod(0).received.empty());

    lab.pod(0).send_udp(lab.pod(1).address, 1480);
    lab.run();
    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_code(lab.pod(0).received[0]) == 4);
    CHECK(icmp_mtu(lab.pod(0).received[0]) == 1380);

    lab.pod(0).send_udp(lab.pod(1).address, 1380);
    lab.run();
    CHECK(lab.pod(1).received.size() == 1);
}

TEST_CASE("a smaller path: ipip without DF is fragmented and arrives whole") {
    SimLab lab(routed_scenario(1400), network_json(R"({"Type": "ipip"})"));

    lab.pod(0).send_udp(lab.pod(1).address, 1480, 64, 40000, false);
    lab.run();

    REQUIRE(lab.pod(1).received.size() == 1);
    CHECK(lab.pod(1).received[0].payload_bytes == 1480 - 28);
}

TEST_CASE("ipip packets for a host without the device are answered with port unreachable") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "ipip"})"));
    const LinkRow device{.name = "flannel.ipip", .kind = LinkRow::Kind::ipip};
    REQUIRE(lab.host(1).tables().withdraw(device).has_value());

    lab.pod(0).send_udp(lab.pod(1).address, 100);
    lab.run();

    CHECK(lab.pod(1).received.empty());
    CHECK(lab.host(1).drops(DropReason::no_listener) == 1);
}

TEST_CASE("latency is wire time and propagation, exactly") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "host-gw"})"));
    lab.pod(0).send_udp(lab.pod(1).address, 100);  // resolves ARP
    lab.run();
    const std::int64_t start = lab.engine.now_ns();

    lab.pod(0).send_udp(lab.pod(1).address, 1500);
    lab.run();

    // Two hops: 1500 + 38 bytes at 10 Gbit/s is 1230.4 ns (rounded down twice), and 5 us each.
    REQUIRE(lab.pod(1).received.size() == 2);
    CHECK(lab.pod(1).received[1].at_ns - start == 2 * (1230 + 5000));
}

// A history of `overlab crosscheck` found that the kernel does so.
TEST_CASE("a packet forwarded to a pod has to fit the bridge, which its host's underlay decides") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "vxlan"})"));
    lab.host(1).set_up_pods(Ipv4Prefix::of({0x0af40200}, 24), 1350);

    lab.pod(0).send_udp(lab.pod(1).address, 1400);
    lab.run();

    CHECK(lab.pod(1).received.empty());
    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_code(lab.pod(0).received[0]) == 4);
    CHECK(icmp_mtu(lab.pod(0).received[0]) == 1350);
    // From the VTEP's own address, by which h2 sends to h1's pods.
    CHECK(load_be32(lab.pod(0).received[0].headers.data() + 12) == 0x0af40200);

    lab.pod(0).send_udp(lab.pod(1).address, 1400, 64, 40000, false);
    lab.run();

    CHECK(lab.pod(1).received.size() == 2);  // fragments
}

TEST_CASE("the proxy's net unreachable comes in the name of the destination") {
    SimLab lab(star_scenario(2), network_json(R"({"Type": "udp"})"));

    lab.pod(0).send_udp({0x0af4c802}, 100);
    lab.run();

    REQUIRE(lab.pod(0).received.size() == 1);
    CHECK(icmp_code(lab.pod(0).received[0]) == 0);
    CHECK(load_be32(lab.pod(0).received[0].headers.data() + 12) == 0x0af4c802);
}
