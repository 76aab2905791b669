// Links and peers of a tunnel: what replaces what, what is in the way, what is left behind.
#include <net/if.h>

#include <filesystem>
#include <string>
#include <thread>

#include "tests/kernel/tun_lab.h"
#include "tests/kernel/tun_traffic.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

using Mode = UdpTunnelOptions::Mode;

void start(TunLab& lab, Mode mode = Mode::fast) {
    for (std::size_t host = 0; host < 2; ++host) lab.start_tunnel(host, {.mode = mode});
}

unsigned interface_index(const Netns& where) {
    const NetnsScope scope(where);
    return ::if_nametoindex("flannel0");
}

std::size_t threads_of_this_process() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& task :
         std::filesystem::directory_iterator("/proc/self/task")) {
        ++count;
    }
    return count;
}

std::string text_of(const UdpTunnel& tunnel) {
    std::string lines;
    for (const Row& row : tunnel.rows()) lines += to_string(row) + "\n";
    return lines;
}

/// Why a link could not be installed.
Error failure(const Result<void>& result) {
    REQUIRE_FALSE(result);
    return result.error();
}

Error install_error(TunLab& lab, UdpTunnelOptions options = {}) {
    auto tunnel = UdpTunnel::create(lab.netns(0), std::move(options));
    REQUIRE(tunnel);
    Error error = failure((*tunnel)->install_link(TunLab::link_row(0)));
    CHECK((*tunnel)->rows().empty());
    return error;
}

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("UdpTunnel.RowsAreWhatWasInstalled") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    lab.start_tunnel(0);
    TunnelPeerRow other = TunLab::peer_row(1);
    other.subnet = *Ipv4Prefix::parse("10.244.0.0/24");
    TunLab::must(lab.tunnel(0).install_peer(other));

    CHECK(text_of(lab.tunnel(0)) ==
          "link flannel0 tun local 192.0.2.1 port 8285 mtu 1472\n"
          "tunnel 10.244.0.0/24 to 192.0.2.2:8285 dev flannel0\n"
          "tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0\n");

    TunLab::must(lab.tunnel(0).withdraw_peer(other));
    TunLab::must(lab.tunnel(0).withdraw_peer(other));
    CHECK(lab.tunnel(0).rows().size() == 2);
    TunLab::must(lab.tunnel(0).withdraw_link("flannel0"));
    TunLab::must(lab.tunnel(0).withdraw_link("flannel0"));
    CHECK(lab.tunnel(0).rows().empty());
    CHECK(interface_index(lab.netns(0)) == 0);
    CHECK(failure(lab.tunnel(0).install_peer(other)).kind == ErrorKind::not_found);
    TunLab::must(lab.tunnel(0).withdraw_peer(other));
}

TEST_CASE("UdpTunnel.APortThatSomebodyHasIsSaid") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    const Fd holder = open_socket(lab.netns(0), SOCK_DGRAM);
    constexpr int yes = 1;  // Even one that would share it.
    REQUIRE(::setsockopt(holder.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0);
    bind_to(holder, TunLab::underlay(0), TunLab::port);

    for (const unsigned queues : {1U, 2U}) {
        const Error error = install_error(lab, {.queues = queues});
        CHECK(error.kind == ErrorKind::already_exists);
        CHECK_THAT(error.what, Contains("link flannel0: UDP port 192.0.2.1:8285 is in use"));
        CHECK(interface_index(lab.netns(0)) == 0);
    }
}

TEST_CASE("UdpTunnel.ATunnelWithSeveralQueuesKeepsItsPort") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    lab.start_tunnel(0, {.queues = 3});

    auto second = UdpTunnel::create(lab.netns(0));
    REQUIRE(second);
    LinkRow row = TunLab::link_row(0);
    row.name = "other0";
    CHECK(failure((*second)->install_link(row)).kind == ErrorKind::already_exists);
}

TEST_CASE("UdpTunnel.ANameThatSomebodyHasIsSaid") {
    TUN_LAB_OR_SKIP;
    for (const char* made :
         {"ip link add flannel0 type veth peer name x0", "ip tuntap add flannel0 mode tun"}) {
        TunLab lab;
        lab.shell(0, made);

        const Error error = install_error(lab);

        CHECK(error.kind == ErrorKind::already_exists);
        CHECK_THAT(error.what, Contains("ip link delete flannel0"));
        CHECK(interface_index(lab.netns(0)) != 0);
    }
}

TEST_CASE("UdpTunnel.AMachineWithoutTunDevicesIsToldTheRemedy") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    for (const char* path : {"/nonexistent/tun", "/dev/null"}) {
        const Error error = install_error(lab, {.device_path = path});

        CHECK(error.kind == ErrorKind::unsupported);
        CHECK_THAT(error.what, Contains(path) && Contains("modprobe tun"));
    }
}

TEST_CASE("UdpTunnel.AnAddressThatTheHostLacksIsWorthAnotherTry") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    lab.shell(0, "ip addr flush dev u0");
    CHECK(install_error(lab).kind == ErrorKind::unavailable);
}

TEST_CASE("UdpTunnel.WrongArgumentsAreRefused") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    CHECK_FALSE(UdpTunnel::create(lab.netns(0), {.queues = 0}));
    CHECK_FALSE(UdpTunnel::create(lab.netns(0), {.queues = 17}));
    CHECK_FALSE(UdpTunnel::create(lab.netns(0), {.mode = Mode::classic, .queues = 2}));
    auto tunnel = UdpTunnel::create(lab.netns(0));
    REQUIRE(tunnel);
    LinkRow row = TunLab::link_row(0);
    row.kind = LinkRow::Kind::vxlan;
    CHECK(failure((*tunnel)->install_link(row)).kind == ErrorKind::invalid_argument);
    row = TunLab::link_row(0);
    row.name = "a-name-of-sixteen";
    CHECK(failure((*tunnel)->install_link(row)).kind == ErrorKind::invalid_argument);
}

TEST_CASE("UdpTunnel.ReplacingALinkKeepsItsPeers") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        TunLab lab;
        start(lab, mode);
        const unsigned before = interface_index(lab.netns(0));
        LinkRow moved = TunLab::link_row(0);
        moved.port = 9999;

        TunLab::must(lab.tunnel(0).install_link(moved));
        lab.configure_device(0);

        CHECK(interface_index(lab.netns(0)) != before);
        CHECK(text_of(lab.tunnel(0)) ==
              "link flannel0 tun local 192.0.2.1 port 9999 mtu 1472\n"
              "tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0\n");
        CHECK(passes(UdpPair(lab)));
    }
}

TEST_CASE("UdpTunnel.AnotherMtuNeedsNoNewDevice") {
    TUN_LAB_OR_SKIP;
    TunLab lab;
    start(lab);
    const unsigned before = interface_index(lab.netns(0));
    const UdpPair pair(lab);
    LinkRow smaller = TunLab::link_row(0);
    smaller.mtu = 1000;

    TunLab::must(lab.tunnel(0).install_link(smaller));
    REQUIRE(send_datagram(pair.client, datagram(1200, 0)));

    // The device's own MTU is still larger, so the tunnel has to refuse.
    CHECK(passes(pair, 900, 2));
    CHECK(lab.tunnel(0).counters().too_big == 1);
    CHECK(interface_index(lab.netns(0)) == before);
}

TEST_CASE("UdpTunnel.APeerRowCountsFromTheNextPacketOn") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        TunLab lab;
        start(lab, mode);
        const UdpPair pair(lab);
        const Fd elsewhere = open_socket(lab.netns(1), SOCK_DGRAM, 0, 5);
        bind_to(elsewhere, TunLab::underlay(1), 7000);
        TunnelPeerRow here = TunLab::peer_row(1), there = here;
        there.port = 7000;
        bool stream_right = false;
        std::thread stream([&] { stream_right = transfer(lab, 1, 64); });

        for (std::uint8_t i = 0; i < 100; ++i) {
            REQUIRE(passes(pair, 50, i));
            TunLab::must(lab.tunnel(0).install_peer(there));
            REQUIRE(send_datagram(pair.client, datagram(50, i)));
            // The stream's ACKs go there too, and TCP copes.
            for (;;) {
                const auto packet = receive_datagram(elsewhere);
                REQUIRE(packet);
                if (packet->size() == 78 && (*packet)[9] == 17) break;
            }
            TunLab::must(lab.tunnel(0).install_peer(here));
        }
        stream.join();
        CHECK(stream_right);
    }
}

TEST_CASE("UdpTunnel.WithdrawingUnderTrafficLeavesNoThread") {
    TUN_LAB_OR_SKIP;
    for (const Mode mode : {Mode::fast, Mode::classic}) {
        const std::size_t before = threads_of_this_process();
        TunLab lab;
        start(lab, mode);
        const TcpPair pair = connect_tcp(lab.netns(0), lab.netns(1), TunLab::overlay(1));
        std::thread blaster([&] {
            const std::vector<std::uint8_t> chunk(100'000);
            while (send_all(pair.client, chunk)) {
            }
        });
        std::vector<std::uint8_t> first(1'000'000);
        REQUIRE(receive_all(pair.server, first));

        TunLab::must(lab.tunnel(0).withdraw_link("flannel0"));
        TunLab::must(lab.tunnel(1).withdraw_link("flannel0"));
        ::shutdown(pair.client.get(), SHUT_RDWR);
        blaster.join();

        CHECK(threads_of_this_process() == before);
        CHECK(lab.tunnel(0).counters().sent_bytes >= first.size());
    }
}
