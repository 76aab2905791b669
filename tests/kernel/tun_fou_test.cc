// The kernel's own Foo-over-UDP with IP in IP as a peer of our tunnel: what it sends and accepts on
// port 8285 is flannel's udp format, written by people who know neither flannel nor us.
//
//   10.244.1.0  flannel0 (TUN, ours) [host 0] u0 ==== u0 [host 1] (ipip, encap fou) flannel0
//   10.244.2.0
#include <netinet/ip_icmp.h>

#include <array>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "models/net/checksum.h"
#include "tests/kernel/tun_lab.h"
#include "tests/kernel/tun_traffic.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

using Mode = UdpTunnelOptions::Mode;

/// Our mode, and whether the kernel fills in the outer UDP checksum (flannel's proxy always does).
struct Combination {
    const char* name;
    Mode ours;
    const char* checksum;
};
constexpr std::size_t whole_packet = TunLab::underlay_mtu - TunLab::overhead - 28;
constexpr Combination combinations[] = {
    {"fast, no outer checksum", Mode::fast, "noencap-csum"},
    {"fast, outer checksum", Mode::fast, "encap-csum"},
    {"classic, no outer checksum", Mode::classic, "noencap-csum"},
    {"classic, outer checksum", Mode::classic, "encap-csum"}};

/// Why there can be no such lab here; empty: there can.
std::string why_no_fou() {
    if (std::string why_not = why_no_tun_lab(); !why_not.empty()) return why_not;
    const auto netns = Netns::create();
    if (!netns) return netns.error().what;
    const std::vector<std::string> add_port = {"ip", "fou", "add", "port", "8285", "ipproto", "4"};
    const auto done = output_of({.argv = add_port, .env = {}, .netns = &*netns});
    if (done) return {};
    // Nothing loads the module by itself: it has no alias for its netlink family.
    return "no FOU in this kernel, or its module is not loaded";
}

/// Host 0 has our tunnel, host 1 the kernel's. The wire is one without offloads: on another, veth
/// would hand our socket segments of 64 KiB that no network card would have sent.
class FouLab : public TunLab {
   public:
    explicit FouLab(const Combination& how) : TunLab(/*faithful=*/true) {
        start_tunnel(0, {.mode = how.ours});
        shell(1, fmt::format("ip fou add port {0} ipproto 4; "
                             "ip link add flannel0 type ipip local {1} remote {2} ttl inherit "
                             "encap fou encap-sport {0} encap-dport {0} {3}",
                             port, underlay(1).to_string(), underlay(0).to_string(), how.checksum));
        configure_device(1);
    }

    /// Nothing dropped by our side, and the kernel's packets were known as its.
    void check_no_drops() {
        const UdpTunnelCounters seen = tunnel(0).counters();
        CHECK(seen == UdpTunnelCounters{.sent_packets = seen.sent_packets,
                                        .sent_bytes = seen.sent_bytes,
                                        .received_packets = seen.received_packets,
                                        .received_bytes = seen.received_bytes,
                                        .send_calls = seen.send_calls,
                                        .receive_calls = seen.receive_calls,
                                        .not_ipv4 = seen.not_ipv4});
    }
};

/// Sends an echo request with `bytes` of data; the TTL of the right answer, or nothing.
std::optional<int> ping(const TunLab& lab, std::size_t from, std::size_t bytes) {
    const Fd socket = open_socket(lab.netns(from), SOCK_RAW, IPPROTO_ICMP, 2);
    connect_to(socket, TunLab::overlay(1 - from), 0);
    icmphdr header{};
    header.type = ICMP_ECHO;
    header.un.echo = {.id = htons(77), .sequence = htons(1)};
    std::vector<std::uint8_t> message = datagram(sizeof header + bytes, 9);
    std::memcpy(message.data(), &header, sizeof header);
    header.checksum = htons(internet_checksum(message));
    std::memcpy(message.data(), &header, sizeof header);
    if (!send_datagram(socket, message)) return std::nullopt;

    const auto answer = receive_datagram(socket);
    const std::size_t whole = sizeof(iphdr) + message.size();
    if (!answer || answer->size() != whole || (*answer)[sizeof(iphdr)] != ICMP_ECHOREPLY)
        return std::nullopt;
    const bool same = std::equal(message.begin() + sizeof header, message.end(),
                                 answer->begin() + sizeof(iphdr) + sizeof header);
    return same ? std::optional<int>((*answer)[8]) : std::nullopt;  // RFC 791: octet 8 is the TTL.
}

constexpr std::size_t ping_bytes[] = {0, 56, whole_packet};
/// The last are longer than a packet: the sender's kernel fragments them.
constexpr std::size_t datagram_bytes[] = {
    0, 1, 17, 512, 1279, whole_packet - 1, whole_packet, whole_packet + 1, 4000};

const std::vector<std::size_t> none;

/// Sizes of pings whose answers are not as they should be.
std::vector<std::size_t> failed_pings(const TunLab& lab, std::size_t from) {
    std::vector<std::size_t> failed;
    for (const std::size_t bytes : ping_bytes) {
        // Ours takes one from the TTL on its way in or out, the kernel none.
        if (ping(lab, from, bytes) != 63) failed.push_back(bytes);
    }
    return failed;
}

/// Sizes of datagrams that do not arrive unharmed.
std::vector<std::size_t> failed_datagrams(const TunLab& lab, std::size_t from) {
    const UdpPair pair(lab, 6001, from);
    std::vector<std::size_t> failed;
    for (const std::size_t bytes : datagram_bytes) {
        if (!passes(pair, bytes, static_cast<std::uint8_t>(bytes))) failed.push_back(bytes);
    }
    return failed;
}

/// Each way by itself, then both at once; every byte is compared with what was sent.
void check_streams(const FouLab& lab) {
    constexpr std::size_t chunks = 16;  // of 128 KiB
    CHECK(transfer(lab, 0, chunks));
    CHECK(transfer(lab, 1, chunks));

    bool there = false;
    std::thread one_way([&] { there = transfer(lab, 0, chunks, 5001); });
    const bool back = transfer(lab, 1, chunks, 5002);
    one_way.join();
    CHECK(there);
    CHECK(back);
}

}  // namespace

TEST_CASE("UdpTunnel.TheKernelsFouIsAPeer") {
    if (const std::string why_not = why_no_fou(); !why_not.empty()) {
        WARN("skipped: " << why_not);
        return;
    }
    for (const Combination& each : combinations) {
        INFO(each.name);
        FouLab lab(each);

        for (const std::size_t from : {std::size_t{0}, std::size_t{1}}) {
            INFO("from host " << from);
            CHECK(failed_pings(lab, from) == none);
            CHECK(failed_datagrams(lab, from) == none);
        }
        check_streams(lab);

        lab.check_no_drops();
    }
}

TEST_CASE("UdpTunnel.TheKernelsFouOnAnotherPortHearsNothing") {
    // So that the test above is known to be able to fail.
    if (const std::string why_not = why_no_fou(); !why_not.empty()) {
        WARN("skipped: " << why_not);
        return;
    }
    FouLab lab(combinations[0]);
    TunnelPeerRow elsewhere = TunLab::peer_row(1);
    elsewhere.port = TunLab::port + 1;
    TunLab::must(lab.tunnel(0).install_peer(elsewhere));

    CHECK_FALSE(ping(lab, 0, 56));
}
