// The kernel's half of a cross-check: probes in this kernel meet the fate that their rows say.
//
//   h1 192.0.2.1 --- switch --- h2 192.0.2.2        pods: 10.244.<n>.2 on host n
//                      |
//                    router (MTU 1400 behind it) --- switch --- h3 198.51.100.3
#include "real/crosscheck/netns_side.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "models/crosscheck/fixed_sas.h"
#include "tests/support/catch.h"
#include "tests/support/row_lines.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

Ipv4Prefix prefix(const std::string& text) { return Ipv4Prefix::parse(text).value(); }
Ipv4Address address(const std::string& text) { return Ipv4Address::parse(text).value(); }

CrossLayout three_hosts() {
    return {.segments = {{.subnet = prefix("192.0.2.0/24"), .mtu = 1500},
                         {.subnet = prefix("198.51.100.0/24"), .mtu = 1400}},
            .hosts = {{.name = "h1", .segment = 0, .address = address("192.0.2.1")},
                      {.name = "h2", .segment = 0, .address = address("192.0.2.2")},
                      {.name = "h3", .segment = 1, .address = address("198.51.100.3")}}};
}

/// One side for all tests of this program: making it is what takes long.
struct Lab {
    TempFolder folder;
    Result<std::unique_ptr<KernelSide>> side = make_netns_side({.key_folder = folder.path()});
};

Lab& lab() {
    static Lab made;
    return made;
}

/// Hosts with pods; not a row yet.
KernelSide& fresh_side(std::uint32_t pod_mtu) {
    KernelSide& side = **lab().side;
    const Result<void> done = side.reset(three_hosts());
    if (!done) FAIL(done.error().what);
    for (std::size_t host = 0; host < 3; ++host)
        REQUIRE(side.set_pod(host, prefix(fmt::format("10.244.{}.0/24", host + 1)), pod_mtu));
    return side;
}

/// Empty: all went in. Else why not.
std::string install(KernelSide& side, std::size_t host, const std::string& text) {
    std::vector<RowChange> changes;
    for (Row& row : rows(text)) changes.push_back({RowChange::Action::install, std::move(row)});
    for (const Result<void>& done : side.stack(host).apply(changes)) {
        if (!done) return done.error().what;
    }
    return {};
}

std::string send(KernelSide& side, ProbePacket packet) {
    const Result<ProbeOutcome> outcome = side.probe(packet);
    return outcome ? to_string(*outcome) : outcome.error().what;
}

ProbePacket to_pod(std::size_t host, std::uint32_t size = 84) {
    return {.host = 0, .destination = address(fmt::format("10.244.{}.2", host + 1)), .size = size};
}

/// Every host's device, and the routes from everybody to everybody.
std::string vxlan_rows(std::size_t host) {
    static const std::string addresses[] = {"192.0.2.1", "192.0.2.2", "198.51.100.3"};
    std::string text = fmt::format(
        "link flannel.1 vxlan vni 7 local {} dev eth0 port 8472 mtu {} mac "
        "02:00:00:00:00:0{}\naddr 10.244.{}.0/32 dev flannel.1\n",
        addresses[host], host == 2 ? 1350 : 1450, host + 1, host + 1);
    for (std::size_t peer = 0; peer < 3; ++peer) {
        if (peer == host) continue;
        text += fmt::format(
            "neigh 10.244.{0}.0 lladdr 02:00:00:00:00:0{0} dev flannel.1\n"
            "fdb 02:00:00:00:00:0{0} dst {1} dev flannel.1\n"
            "route 10.244.{0}.0/24 via 10.244.{0}.0 dev flannel.1 onlink\n",
            peer + 1, addresses[peer]);
    }
    return text;
}

void install_vxlan(KernelSide& side) {
    for (std::size_t host = 0; host < 3; ++host)
        REQUIRE(install(side, host, vxlan_rows(host)) == "");
}

#define NEEDS_NAMESPACES()                            \
    if (!lab().side) {                                \
        WARN("skipped: " << lab().side.error().what); \
        return;                                       \
    }

}  // namespace

TEST_CASE("host-gw: a probe crosses the segment as it is", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1500);
    REQUIRE(install(side, 0, "route 10.244.2.0/24 via 192.0.2.2 dev eth0").empty());

    CHECK(send(side, to_pod(1)) ==
          "delivered; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 63 df");
    CHECK(send(side, {.host = 0,
                      .destination = address("10.244.2.2"),
                      .size = 1500,
                      .dont_fragment = false,
                      .ttl = 9}) ==
          "delivered; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 1500 ttl 8");
}

TEST_CASE("a probe whose TTL is used up is answered by the host that noticed", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1500);
    REQUIRE(install(side, 0, "route 10.244.2.0/24 via 192.0.2.2 dev eth0").empty());
    REQUIRE(install(side, 1, "route 10.244.1.0/24 via 192.0.2.1 dev eth0").empty());

    CHECK(send(side, {.host = 0, .destination = address("10.244.2.2"), .ttl = 1}) ==
          "icmp 11/0 from 10.244.1.1");
    CHECK(send(side, {.host = 0, .destination = address("10.244.2.2"), .ttl = 2}) ==
          "icmp 11/0 from 192.0.2.2; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 1 df");
}

TEST_CASE("without a route the router gets it, and can answer no pod", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1500);

    CHECK(send(side, to_pod(1)) ==
          "silence; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 63 df");
}

TEST_CASE("nobody answers ARP for a gateway that is not there: host unreachable", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1500);
    REQUIRE(install(side, 0, "route 10.244.2.0/24 via 192.0.2.77 dev eth0").empty());

    CHECK(send(side, to_pod(1)) == "icmp 3/1 from 10.244.1.1");
}

TEST_CASE("vxlan: a probe leaves in VXLAN, near and far", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1450);
    install_vxlan(side);

    CHECK(send(side, to_pod(1)) ==
          "delivered; 192.0.2.1 -> 192.0.2.2 proto 17 port 8472 size 134 ttl 64 tag 0x7");
    CHECK(send(side, to_pod(2)) ==
          "delivered; 192.0.2.1 -> 198.51.100.3 proto 17 port 8472 size 134 ttl 64 tag 0x7");
    // The outer packet may be fragmented, and the router does that.
    CHECK(send(side, to_pod(2, 1450)) ==
          "delivered; 192.0.2.1 -> 198.51.100.3 proto 17 port 8472 size 1500 ttl 64 tag 0x7");
}

TEST_CASE("vxlan: what does not fit the device is answered with its MTU", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1500);
    install_vxlan(side);

    // Twice: what the pod learned from the first is forgotten.
    for (int round = 0; round < 2; ++round)
        CHECK(send(side, to_pod(1, 1451)) == "icmp 3/4 from 10.244.1.1 mtu 1450");
    ProbePacket divisible = to_pod(1, 1451);
    divisible.dont_fragment = false;
    CHECK(send(side, divisible) ==
          "delivered; 192.0.2.1 -> 192.0.2.2 proto 17 port 8472 size 1494 ttl 64 tag 0x7");
}

TEST_CASE("a probe larger than the pod's own MTU is refused by the pod itself", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1450);

    CHECK(send(side, to_pod(1, 1451)) == "icmp 3/4 from 10.244.1.2 mtu 1450");
}

TEST_CASE("vxlan: without an FDB row silence, without a neighbour host unreachable",
          "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1450);
    install_vxlan(side);
    const auto withdraw = [&](const char* line) {
        return side.meddle(0, {RowChange::Action::withdraw, row(line)});
    };

    REQUIRE(withdraw("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1"));
    CHECK(send(side, to_pod(1)) == "silence");
    REQUIRE(withdraw("neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1"));
    CHECK(send(side, to_pod(1)) == "icmp 3/1 from 10.244.1.1");
    CHECK(send(side, to_pod(2)).starts_with("delivered"));
}

TEST_CASE("a reset leaves nothing of before, and takes another layout", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& before = fresh_side(1450);
    install_vxlan(before);
    CHECK(send(before, to_pod(1)).starts_with("delivered"));
    CrossLayout swapped = three_hosts();
    swapped.segments[0].mtu = 9000;
    std::swap(swapped.hosts[0].address, swapped.hosts[1].address);

    KernelSide& side = **lab().side;
    REQUIRE(side.reset(swapped));

    CHECK(side.stack(0).dump().value().rows().empty());
    CHECK(side.stack(0).facts().external_mtu == 9000);
    CHECK(!side.probe(to_pod(1)));
    for (std::size_t host = 0; host < 2; ++host)
        REQUIRE(side.set_pod(host, prefix(fmt::format("10.244.{}.0/24", host + 1)), 9000));
    REQUIRE(install(side, 0, "route 10.244.2.0/24 via 192.0.2.1 dev eth0").empty());
    CHECK(send(side, to_pod(1, 9000)) ==
          "delivered; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 9000 ttl 63 df");
}

TEST_CASE("ipip: a probe leaves in IPv4; what a router said of an earlier one is forgotten",
          "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1480);
    const std::string missing = install(side, 1, R"(
        link flannel.ipip ipip local 192.0.2.2 mtu 1480
        addr 10.244.2.0/32 dev flannel.ipip)");
    if (!missing.empty()) {
        WARN("skipped: " << missing);
        return;
    }
    REQUIRE(install(side, 0, R"(
        link flannel.ipip ipip local 192.0.2.1 mtu 1480
        addr 10.244.1.0/32 dev flannel.ipip
        route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink
        route 10.244.3.0/24 via 198.51.100.3 dev flannel.ipip onlink)") == "");

    CHECK(send(side, to_pod(1)) == "delivered; 192.0.2.1 -> 192.0.2.2 proto 4 size 104 ttl 63 df");
    // The router tells the host; only a second packet would have the pod told.
    for (int round = 0; round < 2; ++round) {
        CHECK(send(side, to_pod(2, 1450)) ==
              "silence; 192.0.2.1 -> 198.51.100.3 proto 4 size 1470 ttl 63 df");
    }
}

TEST_CASE("udp: a probe leaves in the proxy's datagram", "[crosscheck]") {
    NEEDS_NAMESPACES();
    KernelSide& side = fresh_side(1472);
    const auto proxy = [&](std::size_t host, std::size_t peer) {
        return install(side, host - 1,
                       fmt::format(R"(
            link flannel0 tun local 192.0.2.{0} port 8285 mtu 1472
            addr 10.244.{0}.0/32 dev flannel0
            tunnel 10.244.{1}.0/24 to 192.0.2.{1}:8285 dev flannel0
            route 10.244.{1}.0/24 dev flannel0)",
                                   host, peer));
    };
    const std::string missing = proxy(1, 2);
    if (!missing.empty()) {
        WARN("skipped: " << missing);
        return;
    }
    REQUIRE(proxy(2, 1).empty());

    CHECK(send(side, to_pod(1)) ==
          "delivered; 192.0.2.1 -> 192.0.2.2 proto 17 port 8285 size 112 ttl 64 df");
}

TEST_CASE("wireguard: a probe leaves sealed, also after the peer has forgotten us",
          "[crosscheck]") {
    NEEDS_NAMESPACES();
    const char* const ending = GENERATE("", " keepalive 25");
    KernelSide& side = fresh_side(1420);
    const std::string keys[] = {side.stack(0).facts().wireguard_public_key,
                                side.stack(1).facts().wireguard_public_key};
    if (keys[0].empty()) {
        WARN("skipped: this kernel has no WireGuard; tests/vm runs this in a guest");
        return;
    }
    const auto peer = [&](std::size_t other) {
        return fmt::format(
            "peer {} endpoint 192.0.2.{}:51820 allowed 10.244.{}.0/24 dev flannel-wg{}",
            keys[other - 1], other, other, ending);
    };
    const auto device = [&](std::size_t host, std::size_t other) {
        return install(side, host - 1,
                       fmt::format(R"(
            link flannel-wg wireguard port 51820 mtu 1420
            addr 10.244.{0}.0/32 dev flannel-wg
            {2}
            route 10.244.{1}.0/24 dev flannel-wg)",
                                   host, other, peer(other)));
    };
    REQUIRE(device(1, 2).empty());
    CHECK(send(side, to_pod(1)) == "silence");
    REQUIRE(device(2, 1).empty());
    const std::string delivered =
        "delivered; 192.0.2.1 -> 192.0.2.2 proto 17 port 51820 size 156 ttl 64";
    CHECK(send(side, to_pod(1)) == delivered);

    for (const auto action : {RowChange::Action::withdraw, RowChange::Action::install})
        REQUIRE(side.meddle(1, {action, row(peer(1))}));
    CHECK(send(side, to_pod(1)) == delivered);
}

TEST_CASE("ipsec: a probe leaves in ESP with the SPI that its connection says", "[crosscheck]") {
    NEEDS_NAMESPACES();
    for (const bool in_udp : {false, true}) {
        KernelSide& side = fresh_side(1400);
        const auto connection = [&](std::size_t host, std::size_t peer) {
            return IkeConnection{.local = address(fmt::format("192.0.2.{}", host)),
                                 .remote = address(fmt::format("192.0.2.{}", peer)),
                                 .local_subnet = prefix(fmt::format("10.244.{}.0/24", host)),
                                 .remote_subnet = prefix(fmt::format("10.244.{}.0/24", peer)),
                                 .psk = {},
                                 .esp_proposal = {},
                                 .udp_encap = in_udp};
        };
        const auto policies = [&](std::size_t host, std::size_t peer) {
            return install(side, host - 1,
                           fmt::format(R"(
                policy out 10.244.{0}.0/24 -> 10.244.{1}.0/24 tunnel 192.0.2.{0} -> 192.0.2.{1} reqid 11
                policy in 10.244.{1}.0/24 -> 10.244.{0}.0/24 tunnel 192.0.2.{1} -> 192.0.2.{0} reqid 11
                policy fwd 10.244.{1}.0/24 -> 10.244.{0}.0/24 tunnel 192.0.2.{1} -> 192.0.2.{0} reqid 11)",
                                       host, peer));
        };
        REQUIRE(policies(1, 2).empty());
        REQUIRE(policies(2, 1).empty());

        const Result<void> loaded = side.ike(0).load(connection(1, 2));
        if (!loaded) {
            WARN("skipped: " << loaded.error().what);
            return;
        }
        REQUIRE(side.ike(1).load(connection(2, 1)));
        const std::uint32_t spi = fixed_sas(connection(1, 2))[0].spi;
        CHECK(send(side, to_pod(1)) ==
              fmt::format("delivered; 192.0.2.1 -> 192.0.2.2 {} ttl 64 df tag {:#x}",
                          in_udp ? "proto 17 port 4500 size 148" : "proto 50 size 140", spi));

        REQUIRE(side.ike(0).unload(connection(1, 2).name()));
        CHECK(send(side, to_pod(1)) == "silence");
    }
}
