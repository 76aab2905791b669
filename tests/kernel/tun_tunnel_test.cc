// What a tunnel does with traffic: everything arrives, once, in order, unharmed, in every
// combination of modes.
#include <netinet/udp.h>

#include <array>
#include <functional>
#include <string>
#include <thread>

#include "models/net/checksum.h"
#include "models/net/wire.h"
#include "tests/kernel/tun_lab.h"
#include "tests/kernel/tun_traffic.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

using Mode = UdpTunnelOptions::Mode;
constexpr std::size_t mib = 8;  ///< chunks of transfer()

struct Combination {
    const char* name;
    Mode first, second;
};
constexpr Combination combinations[] = {{"fast to fast", Mode::fast, Mode::fast},
                                        {"fast to classic", Mode::fast, Mode::classic},
                                        {"classic to fast", Mode::classic, Mode::fast},
                                        {"classic to classic", Mode::classic, Mode::classic}};

void start(TunLab& lab, Mode first = Mode::fast, Mode second = Mode::fast) {
    lab.start_tunnel(0, {.mode = first});
    lab.start_tunnel(1, {.mode = second});
}

/// Nothing dropped by the tunnel itself, either side.
void check_no_drops(TunLab& lab) {
    for (std::size_t host = 0; host < 2; ++host) {
        UdpTunnelCounters seen = lab.tunnel(host).counters();
        const UdpTunnelCounters expected{.sent_packets = seen.sent_packets,
                                         .sent_bytes = seen.sent_bytes,
                                         .received_packets = seen.received_packets,
                                         .received_bytes = seen.received_bytes,
                                         .send_calls = seen.send_calls,
                                         .receive_calls = seen.receive_calls,
                                         .not_ipv4 = seen.not_ipv4};
        CHECK(seen == expected);
    }
}

/// Sends with this TTL; the TTL it arrives with, or -1.
int ttl_after(const UdpPair& pair, int ttl) {
    constexpr int yes = 1;
    REQUIRE(::setsockopt(pair.client.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) == 0);
    REQUIRE(::setsockopt(pair.server.get(), IPPROTO_IP, IP_RECVTTL, &yes, sizeof yes) == 0);
    REQUIRE(send_datagram(pair.client, datagram(10, 0)));
    std::array<char, 100> data{};
    alignas(cmsghdr) std::array<char, 64> control{};
    iovec part{data.data(), data.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(pair.server.get(), &message, 0) < 0) return -1;
    int seen = -1;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_type == IP_TTL) std::memcpy(&seen, CMSG_DATA(each), sizeof seen);
    }
    return seen;
}

bool eventually(const std::function<bool()>& condition) {
    EventLoop loop;
    // The loop looks after each of its rounds, which a timer keeps coming.
    std::function<void()> again = [&] { loop.call_at(loop.now() + milliseconds(2), again); };
    again();
    return loop.run_until(condition, seconds(10));
}

}  // namespace

TEST_CASE("UdpTunnel.AGigabyteArrivesUnharmed") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    start(lab);

    CHECK(transfer(lab, 0, 1024 * mib));

    check_no_drops(lab);
    const UdpTunnelCounters sent = lab.tunnel(0).counters();
    CHECK(sent.sent_packets > 20 * sent.send_calls);  // Else it was not the fast path.
}

TEST_CASE("UdpTunnel.ModesInteroperateBothWaysAtOnce") {
    TUN_LAB_OR_SKIP;
    for (const Combination& each : combinations) {
        INFO(each.name);
        TunLab lab;
        start(lab, each.first, each.second);
        bool there = false;

        std::thread one_way([&] { there = transfer(lab, 0, 32 * mib, 5001); });
        const bool back = transfer(lab, 1, 32 * mib, 5002);
        one_way.join();

        CHECK(there);
        CHECK(back);
        check_no_drops(lab);
    }
}

TEST_CASE("UdpTunnel.WorksOnAWireWithoutOffloads") {
    TUN_LAB_OR_SKIP;
    TunLab lab(/*faithful=*/true);
    start(lab);

    CHECK(transfer(lab, 0, 64 * mib));
    check_no_drops(lab);
}

TEST_CASE("UdpTunnel.SeveralQueuesCarrySeveralFlows") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    for (std::size_t host = 0; host < 2; ++host) lab.start_tunnel(host, {.queues = 2});
    std::array<std::thread, 6> flows;
    std::array<bool, flows.size()> right{};

    for (std::size_t i = 0; i < flows.size(); ++i) {
        flows[i] = std::thread([&, i] {
            right[i] = transfer(lab, i % 2, 16 * mib, static_cast<std::uint16_t>(5001 + i));
        });
    }
    for (std::thread& flow : flows) flow.join();

    for (const bool each : right) CHECK(each);
    check_no_drops(lab);
}

TEST_CASE("UdpTunnel.DatagramsOfEverySizeArriveInOrder") {
    TUN_LAB_OR_SKIP;
    std::vector<std::size_t> sizes;
    for (std::size_t bytes = 0; bytes <= 1472 - 28; ++bytes) sizes.push_back(bytes);
    for (const std::size_t fragmented : {1445, 1472, 1500, 4000, 20'000, 60'000}) {
        sizes.push_back(fragmented);
    }
    for (const Combination& each : combinations) {
        INFO(each.name);
        TunLab lab;
        start(lab, each.first, each.second);
        const UdpPair pair(lab);

        constexpr std::size_t at_once = 50;
        std::size_t arrived = 0;
        for (std::size_t from = 0; from < sizes.size(); from += at_once) {
            const std::size_t to = std::min(from + at_once, sizes.size());
            for (std::size_t i = from; i < to; ++i) {
                REQUIRE(
                    send_datagram(pair.client, datagram(sizes[i], static_cast<std::uint8_t>(i))));
            }
            for (std::size_t i = from; i < to; ++i) {
                const bool same = receive_datagram(pair.server) ==
                                  datagram(sizes[i], static_cast<std::uint8_t>(i));
                arrived += same ? 1 : 0;
            }
        }
        CHECK(arrived == sizes.size());
        check_no_drops(lab);
    }
}

TEST_CASE("UdpTunnel.ASendersUdpSegmentationIsUndone") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    start(lab);
    const UdpPair pair(lab);
    constexpr int segment = 1000;
    REQUIRE(::setsockopt(pair.client.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);
    const auto data = datagram(10'500, 3);

    REQUIRE(send_datagram(pair.client, data));

    std::vector<std::uint8_t> got;
    for (int i = 0; i < 11; ++i) {
        const auto one = receive_datagram(pair.server);
        REQUIRE(one);
        CHECK(one->size() == (i < 10 ? 1000 : 500));
        got.insert(got.end(), one->begin(), one->end());
    }
    CHECK(got == data);
    check_no_drops(lab);
}

TEST_CASE("UdpTunnel.BothEndsTakeOneFromTheTtl") {
    TUN_LAB_OR_SKIP;
    for (const Combination& each : combinations) {
        INFO(each.name);
        TunLab lab;
        start(lab, each.first, each.second);
        const UdpPair pair(lab);

        CHECK(ttl_after(pair, 64) == 62);
        CHECK(ttl_after(pair, 3) == 1);
    }
}

TEST_CASE("UdpTunnel.AnExpiredPacketIsDroppedAndCounted") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        TunLab lab;
        start(lab, mode, mode);
        const UdpPair pair(lab);
        for (const int ttl : {1, 2}) {
            REQUIRE(::setsockopt(pair.client.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) == 0);
            REQUIRE(send_datagram(pair.client, datagram(10, 0)));
        }

        CHECK(ttl_after(pair, 64) == 62);  // The first to arrive is the third.

        CHECK(lab.tunnel(0).counters().ttl_expired == 1);
        CHECK(lab.tunnel(1).counters().ttl_expired == 1);
    }
}

TEST_CASE("UdpTunnel.ADestinationOfNobodyIsReportedToTheSender") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        TunLab lab;
        start(lab, mode, mode);
        const Fd socket = open_socket(lab.netns(0), SOCK_DGRAM, 0, 5);
        constexpr int yes = 1;
        REQUIRE(::setsockopt(socket.get(), IPPROTO_IP, IP_RECVERR, &yes, sizeof yes) == 0);
        connect_to(socket, *Ipv4Address::parse("10.244.77.7"), 9);

        REQUIRE(send_datagram(socket, datagram(700, 0)));

        char byte = 0;
        CHECK(::recv(socket.get(), &byte, 1, 0) == -1);
        CHECK(errno == ENETUNREACH);
        CHECK(lab.tunnel(0).counters().no_peer == 1);
    }
}

TEST_CASE("UdpTunnel.EachDatagramOnTheWireIsOneIpv4Packet") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    lab.start_tunnel(0);
    const Fd wire = open_socket(lab.netns(1), SOCK_DGRAM, 0, 5);
    bind_to(wire, TunLab::underlay(1), TunLab::port);
    const Fd client = open_socket(lab.netns(0), SOCK_DGRAM);
    connect_to(client, TunLab::overlay(1), 6001);
    constexpr int segment = 1400;
    REQUIRE(::setsockopt(client.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);

    REQUIRE(send_datagram(client, datagram(14'000, 0)));

    for (int i = 0; i < 10; ++i) {
        const auto packet = receive_datagram(wire);
        REQUIRE(packet);
        const auto ip = Ipv4Header::decode(*packet);
        REQUIRE(ip);
        CHECK(packet->size() == 1428);
        CHECK(ip->total_length == 1428);
        CHECK(ip->ttl == 63);
        CHECK(transport_checksum(ip->source, ip->destination, ip_protocol::udp,
                                 std::span(*packet).subspan(20)) == 0);
    }
}

TEST_CASE("UdpTunnel.AnUnknownSendersPacketsAreDeliveredAndCounted") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    start(lab);
    // Host 0's packets leave from another port than host 1 knows.
    LinkRow moved = TunLab::link_row(0);
    moved.port = 9999;
    TunLab::must(lab.tunnel(0).install_link(moved));
    lab.configure_device(0);

    CHECK(passes(UdpPair(lab)));

    CHECK(lab.tunnel(1).counters().unknown_sender == 1);
}

TEST_CASE("UdpTunnel.APathOfSmallerMtuGetsFragmentsAndNoSilence") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    lab.shell(0, "ip route add 192.0.2.2/32 dev u0 mtu lock 1300");
    lab.shell(1, "ip route add 192.0.2.1/32 dev u0 mtu lock 1300");
    start(lab);

    CHECK(transfer(lab, 0, 8 * mib));
    CHECK(lab.tunnel(0).counters().send_failed == 0);
}

TEST_CASE("UdpTunnel.ADeviceThatIsDownOrGoneHarmsNothingElse") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        TunLab lab;
        start(lab, mode, mode);
        const UdpPair pair(lab);
        CHECK(passes(pair));

        lab.shell(1, "ip link set flannel0 down");
        REQUIRE(send_datagram(pair.client, datagram(10, 0)));
        CHECK(eventually([&] { return lab.tunnel(1).counters().deliver_failed >= 1; }));
        lab.shell(1, "ip link set flannel0 up");
        lab.shell(1, "ip route add 10.244.0.0/16 dev flannel0");
        CHECK(passes(pair));

        lab.shell(1, "ip link delete flannel0");
        TunLab::must(lab.tunnel(1).withdraw_link("flannel0"));
        TunLab::must(lab.tunnel(1).install_link(TunLab::link_row(1)));
        lab.configure_device(1);
        CHECK(passes(UdpPair(lab, 6002)));
    }
}
