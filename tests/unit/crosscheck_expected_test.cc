// What a walk on paper says that a real packet does: its end, who is told what, and the outermost
// headers on the sender's link. The same rows are probed on a real kernel in
// tests/kernel/crosscheck_side_test.cc.
//
//   h1 192.0.2.1 --- switch --- h2 192.0.2.2        pods: 10.244.<n>.2 on host n
//                      |
//                    router (MTU 1400 behind it) --- switch --- h3 198.51.100.3
#include "models/crosscheck/expected_outcome.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/fake_kernel_side.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

Ipv4Prefix prefix(std::string_view text) { return Ipv4Prefix::parse(text).value(); }
Ipv4Address address(std::string_view text) { return Ipv4Address::parse(text).value(); }

class Lab {
   public:
    /// Hosts with pods and without a row; the pods of h3 have `far_mtu`.
    explicit Lab(std::uint32_t pod_mtu = 1400, std::uint32_t far_mtu = 1400) {
        const CrossLayout layout{
            .segments = {{prefix("192.0.2.0/24"), 1500}, {prefix("198.51.100.0/24"), 1400}},
            .hosts = {{"h1", 0, address("192.0.2.1")},
                      {"h2", 0, address("192.0.2.2")},
                      {"h3", 1, address("198.51.100.3")}}};
        REQUIRE(side_.reset(layout).has_value());
        for (std::size_t i = 0; i < 3; ++i) {
            const auto subnet = prefix(fmt::format("10.244.{}.0/24", i + 1));
            REQUIRE(side_.set_pod(i, subnet, i == 2 ? far_mtu : pod_mtu).has_value());
        }
    }

    void install(std::size_t host, std::string_view text) {
        for (const Row& row : rows(text)) {
            INFO(to_string(row));
            REQUIRE(side_.meddle(host - 1, {RowChange::Action::install, row}).has_value());
        }
    }
    void connect(std::size_t host, std::size_t peer) {
        const auto end = [](std::size_t number) {
            return address(number == 3 ? "198.51.100.3" : fmt::format("192.0.2.{}", number));
        };
        const IkeConnection connection{.local = end(host),
                                       .remote = end(peer),
                                       .local_subnet = prefix(fmt::format("10.244.{}.0/24", host)),
                                       .remote_subnet = prefix(fmt::format("10.244.{}.0/24", peer)),
                                       .psk = {}};
        REQUIRE(side_.ike(host - 1).load(connection).has_value());
    }
    [[nodiscard]] std::string key(std::size_t host) {
        return side_.stack(host - 1).facts().wireguard_public_key;
    }
    [[nodiscard]] std::string send(std::string_view to, ProbePacket packet = {}) {
        packet.destination = address(to);
        return to_string(side_.probe(packet).value());
    }

   private:
    FakeKernelSide side_;
};

constexpr std::string_view pod2 = "10.244.2.2", pod3 = "10.244.3.2", nobody2 = "10.244.2.9";

void install_ipip(Lab& lab) {
    lab.install(1, R"(link flannel.ipip ipip local 192.0.2.1 mtu 1480
        addr 10.244.1.0/32 dev flannel.ipip
        route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink
        route 10.244.3.0/24 via 198.51.100.3 dev flannel.ipip onlink)");
    lab.install(2, R"(link flannel.ipip ipip local 192.0.2.2 mtu 1480
        addr 10.244.2.0/32 dev flannel.ipip
        route 10.244.1.0/24 via 192.0.2.1 dev flannel.ipip onlink)");
    lab.install(3, R"(link flannel.ipip ipip local 198.51.100.3 mtu 1380
        addr 10.244.3.0/32 dev flannel.ipip
        route 10.244.1.0/24 via 192.0.2.1 dev flannel.ipip onlink)");
}

void install_vxlan(Lab& lab) {
    lab.install(1, R"(
        link flannel.1 vxlan vni 7 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
        addr 10.244.1.0/32 dev flannel.1
        neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1
        fdb 02:00:00:00:00:03 dst 198.51.100.3 dev flannel.1
        route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink)");
    lab.install(3, R"(
        link flannel.1 vxlan vni 7 local 198.51.100.3 dev eth0 port 8472 mtu 1350 mac 02:00:00:00:00:03
        addr 10.244.3.0/32 dev flannel.1
        neigh 10.244.1.0 lladdr 02:00:00:00:00:01 dev flannel.1
        fdb 02:00:00:00:00:01 dst 192.0.2.1 dev flannel.1
        route 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink)");
}

}  // namespace

TEST_CASE("host-gw: what the pod's packet looks like, and who answers", "[expected]") {
    Lab lab(1500);
    CHECK(lab.send(pod2) ==
          "silence; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 63 df");
    lab.install(1, "route 10.244.2.0/24 via 192.0.2.2 dev eth0");
    CHECK(lab.send(pod2) ==
          "delivered; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 63 df");
    CHECK(lab.send(pod2, {.dont_fragment = false, .ttl = 9}) ==
          "delivered; 10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 8");
    CHECK(lab.send(pod2, {.ttl = 1}) == "icmp 11/0 from 10.244.1.1");
    // h2 has no way back yet: what it says is lost.
    const std::string outer = "10.244.1.2 -> 10.244.2.2 proto 17 port 9000 size 84 ttl 1 df";
    CHECK(lab.send(pod2, {.ttl = 2}) == "silence; " + outer);
    lab.install(2, "route 10.244.1.0/24 via 192.0.2.1 dev eth0");
    CHECK(lab.send(pod2, {.ttl = 2}) == "icmp 11/0 from 192.0.2.2; " + outer);
    CHECK(lab.send(nobody2) ==
          "icmp 3/1 from 192.0.2.2; 10.244.1.2 -> 10.244.2.9 proto 17 port 9000 size 84 ttl 63 "
          "df");
}

TEST_CASE("a gateway that nobody is: the sending host says so", "[expected]") {
    Lab lab(1500);
    lab.install(1, "route 10.244.2.0/24 via 192.0.2.77 dev eth0");

    CHECK(lab.send(pod2) == "icmp 3/1 from 10.244.1.1");
}

TEST_CASE("vxlan: the router cuts the outer packet, the far bridge wants the inner one to fit",
          "[expected]") {
    const std::string head = "192.0.2.1 -> 198.51.100.3 proto 17 port 8472 size ";
    Lab lab(1450, 1350);
    install_vxlan(lab);
    CHECK(lab.send(pod3, {.size = 1350}) == "delivered; " + head + "1400 ttl 64 tag 0x7");
    CHECK(lab.send(pod3, {.size = 1450}) ==
          "icmp 3/4 from 10.244.3.0 mtu 1350; " + head + "1500 ttl 64 tag 0x7");
    CHECK(lab.send("10.244.3.9", {.size = 1450}) ==
          "icmp 3/4 from 10.244.3.0 mtu 1350; " + head + "1500 ttl 64 tag 0x7");
    CHECK(lab.send("10.244.3.9") == "icmp 3/1 from 10.244.3.0; " + head + "134 ttl 64 tag 0x7");
}

TEST_CASE("vxlan to the host's own address never leaves", "[expected]") {
    Lab lab(1450, 1350);
    install_vxlan(lab);
    lab.install(1, "fdb 02:00:00:00:00:03 dst 192.0.2.1 dev flannel.1");

    // The packet goes round until its TTL is used up; all that is compared is that it is not
    // delivered.
    CHECK(lab.send(pod3) == "silence");
}

TEST_CASE("ipip: the outer TTL is the inner one's, and routers use it up", "[expected]") {
    Lab lab(1480, 1380);
    install_ipip(lab);
    CHECK(lab.send(pod2, {.ttl = 2}) ==
          "icmp 11/0 from 10.244.2.0; 192.0.2.1 -> 192.0.2.2 proto 4 size 104 ttl 1 df");
    CHECK(lab.send(pod3, {.ttl = 2}) ==
          "silence; 192.0.2.1 -> 198.51.100.3 proto 4 size 104 ttl 1 df");
    CHECK(lab.send(pod3, {.ttl = 3}) ==
          "delivered; 192.0.2.1 -> 198.51.100.3 proto 4 size 104 ttl 2 df");
    // DF is the inner packet's, and the router tells the host, not the pod.
    CHECK(lab.send(pod3, {.size = 1390}) ==
          "silence; 192.0.2.1 -> 198.51.100.3 proto 4 size 1410 ttl 63 df");
    CHECK(lab.send(pod3, {.size = 1390, .dont_fragment = false}) ==
          "delivered; 192.0.2.1 -> 198.51.100.3 proto 4 size 1410 ttl 63");
}

TEST_CASE("udp: the proxy speaks in the name of whom it does not know", "[expected]") {
    Lab lab(1472, 1372);
    lab.install(1, R"(link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
        addr 10.244.1.0/32 dev flannel0
        route 10.244.0.0/16 dev flannel0
        tunnel 10.244.3.0/24 to 198.51.100.3:8285 dev flannel0)");
    lab.install(3, R"(link flannel0 tun local 198.51.100.3 port 8285 mtu 1372
        addr 10.244.3.0/32 dev flannel0
        route 10.244.0.0/16 dev flannel0
        tunnel 10.244.1.0/24 to 192.0.2.1:8285 dev flannel0)");

    CHECK(lab.send(pod2) == "icmp 3/0 from 10.244.2.2");
    CHECK(lab.send(pod3) ==
          "delivered; 192.0.2.1 -> 198.51.100.3 proto 17 port 8285 size 112 ttl 64 df");
    // The first packet that is too large for the path is lost, whatever awaits it there.
    CHECK(lab.send(pod3, {.size = 1472, .ttl = 4}) ==
          "silence; 192.0.2.1 -> 198.51.100.3 proto 17 port 8285 size 1500 ttl 64 df");
    // Host, proxy, proxy: each takes one; proxies say nothing.
    CHECK(lab.send(pod3, {.ttl = 1}) == "icmp 11/0 from 10.244.1.1");
    CHECK(lab.send(pod3, {.ttl = 2}) == "silence");
    CHECK(lab.send(pod3, {.ttl = 3}) ==
          "silence; 192.0.2.1 -> 198.51.100.3 proto 17 port 8285 size 112 ttl 64 df");
    CHECK(lab.send(pod3, {.ttl = 4}) ==
          "icmp 11/0 from 10.244.3.0; 192.0.2.1 -> 198.51.100.3 proto 17 port 8285 size 112 ttl 64 "
          "df");
}

TEST_CASE("wireguard: nothing leaves before both ends know each other", "[expected]") {
    Lab lab(1420);
    const auto device = [&](std::size_t host, std::size_t other) {
        return fmt::format(R"(link flannel-wg wireguard port 51820 mtu 1420
            addr 10.244.{0}.0/32 dev flannel-wg
            peer {2} endpoint 192.0.2.{1}:51820 allowed 10.244.{1}.0/24 dev flannel-wg
            route 10.244.0.0/16 dev flannel-wg)",
                           host, other, lab.key(other));
    };
    lab.install(1, device(1, 2));
    CHECK(lab.send(pod2) == "silence");
    lab.install(2, device(2, 1));

    const std::string outer = "192.0.2.1 -> 192.0.2.2 proto 17 port 51820 size 156 ttl 64";
    CHECK(lab.send(pod2) == "delivered; " + outer);
    CHECK(lab.send(nobody2) == "icmp 3/1 from 10.244.2.0; " + outer);
    CHECK(lab.send(pod3) == "icmp 3/1 from 10.244.1.1");

    // h2 takes 10.244.1.2 for another peer's address.
    lab.install(2, fmt::format("peer {} endpoint 192.0.2.1:51820 allowed 10.244.9.0/24 dev "
                               "flannel-wg",
                               lab.key(1)));
    lab.install(2, fmt::format("peer {} endpoint 192.0.2.3:51820 allowed 10.244.0.0/23 dev "
                               "flannel-wg",
                               lab.key(3)));
    CHECK(lab.send(pod2) == "silence; " + outer);
}

TEST_CASE("ipsec: ESP with the connection's SPI; without an SA silence", "[expected]") {
    Lab lab(1400);
    const auto policies = [&](std::size_t host, std::size_t peer) {
        lab.install(host, fmt::format(R"(
            policy out 10.244.{0}.0/24 -> 10.244.{1}.0/24 tunnel 192.0.2.{0} -> 192.0.2.{1} reqid 11
            policy fwd 10.244.{1}.0/24 -> 10.244.{0}.0/24 tunnel 192.0.2.{1} -> 192.0.2.{0} reqid 11)",
                                      host, peer));
    };
    policies(1, 2);
    CHECK(lab.send(pod2) == "silence");
    lab.connect(1, 2);
    const std::string sent = lab.send(pod2);
    CHECK(sent.starts_with("silence; 192.0.2.1 -> 192.0.2.2 proto 50 size 140 ttl 64 df tag 0xc"));
    policies(2, 1);
    lab.connect(2, 1);
    CHECK(lab.send(pod2) == "delivered" + sent.substr(sent.find(';')));
}

TEST_CASE("what the walk leaves open is not compared", "[expected]") {
    ExpectedOutcome loop{.disposition = Disposition::loop, .outcome = {}, .end_known = false};
    CHECK(difference(loop, {.end = ProbeOutcome::End::icmp}).empty());
    CHECK_FALSE(difference(loop, {.end = ProbeOutcome::End::delivered}).empty());

    ExpectedOutcome cut{.outcome = {.end = ProbeOutcome::End::delivered}, .outer_known = false};
    CHECK(difference(cut, {.end = ProbeOutcome::End::delivered, .outer = {OuterPacket{}}}).empty());
    CHECK_FALSE(difference(cut, {.end = ProbeOutcome::End::silence}).empty());
}
