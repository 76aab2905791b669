// Packets through what the rows make: datagrams between two hosts' overlay addresses, by the kernel
// alone.
//
//   host-1 (192.0.2.1, 10.244.1.0) --veth-- host-2 (192.0.2.2, 10.244.2.0)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <memory>
#include <string>

#include "models/backends/backend.h"
#include "models/lease/network_config.h"
#include "real/netlink/links.h"
#include "real/netlink/netlink_stack.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_host.h"
#include "tests/support/row_lines.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::test;

namespace {

constexpr std::uint16_t port = 9000;

sockaddr_in socket_address(Ipv4Address address, std::uint16_t number) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(number);
    out.sin_addr.s_addr = htonl(address.bits);
    return out;
}

/// A UDP socket of a namespace; it waits 5 s at most for a datagram.
real::Fd udp_socket(const real::Netns& netns, Ipv4Address address, std::uint16_t number) {
    const real::NetnsScope there(netns);
    real::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(fd.valid());
    const timeval limit{.tv_sec = 5, .tv_usec = 0};
    REQUIRE(setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    const sockaddr_in own = socket_address(address, number);
    REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    return fd;
}

void send_to(const real::Fd& socket, Ipv4Address to, std::size_t bytes) {
    const std::string payload(bytes, 'x');
    const sockaddr_in there = socket_address(to, port);
    const ssize_t sent = sendto(socket.get(), payload.data(), payload.size(), 0,
                                reinterpret_cast<const sockaddr*>(&there), sizeof there);
    CHECK(sent == static_cast<ssize_t>(bytes));
}

struct Datagram {
    ssize_t bytes = -1;  ///< -1: none came in time
    Ipv4Address from;
};

Datagram receive(const real::Fd& socket) {
    std::array<char, 2000> buffer{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t bytes = recvfrom(socket.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    return {bytes, {ntohl(from.sin_addr.s_addr)}};
}

/// One of two hosts, its rows planned and installed.
class TunnelHost {
   public:
    TunnelHost(const real::Netns& netns, unsigned number, const std::filesystem::path& key_file)
        : stack_(real::NetlinkStack::open(netns,
                                          {.name = "host-" + std::to_string(number),
                                           .external_link = "eth0",
                                           .external_address = {0xc0000200U + number},
                                           .external_mtu = 1500},
                                          nullptr, {.wireguard_key_file = key_file})
                     .value()),
          subnet_(Ipv4Prefix::of({0x0af40000U + (number << 8)}, 24)) {}

    [[nodiscard]] LocalNode local() const {
        return {.host = stack_->facts(), .subnet = {subnet_, std::nullopt}};
    }
    [[nodiscard]] Lease lease(const Backend& backend) const {
        return {.subnet = {subnet_, std::nullopt},
                .attributes = backend.attributes(stack_->facts(), {})};
    }
    /// Why it did not work; empty if it did.
    [[nodiscard]] Result<void> install(const Backend& backend, const Lease& peer) {
        std::vector<Row> rows = backend.plan_local(local()).rows;
        const Plan plan = backend.plan_peer(local(), peer, Reach::routed);
        rows.insert(rows.end(), plan.rows.begin(), plan.rows.end());
        const std::vector<RowChange> changes = diff(ForwardingState::of(rows), {});
        for (const Result<void>& outcome : stack_->apply(changes)) {
            if (!outcome) return outcome;
        }
        CHECK(stack_->dump() == ForwardingState::of(rows));
        return {};
    }

   private:
    std::unique_ptr<real::NetlinkStack> stack_;
    Ipv4Prefix subnet_;
};

/// Datagrams of the overlay's whole MTU go both ways; a kernel that cannot is said to a person.
void exchange(const std::string& backend_json) {
    OVERLAB_KERNEL_HOST(first);
    const real::Netns& there = first.router;
    auto links = real::Links::open(there);
    REQUIRE(links.has_value());
    REQUIRE(links->add_address("eth0", {0xc0000202}, 24).has_value());
    const TempFolder folder;
    TunnelHost one(first.netns, 1, folder.path() / "one");
    TunnelHost two(there, 2, folder.path() / "two");
    const ParsedNetworkConfig config =
        parse_network_config(R"({"Network": "10.244.0.0/16", "Backend": )" + backend_json + "}");
    REQUIRE(config.problems.empty());
    const auto backend = make_backend(config.config).value();
    if (const std::string why = backend->plan_local(one.local()).unsupported; !why.empty()) {
        WARN("skipped: " << why);
        return;
    }
    if (const Result<void> done = one.install(*backend, two.lease(*backend)); !done) {
        REQUIRE(done.error().kind == ErrorKind::unsupported);
        WARN("skipped: " << done.error().what);
        return;
    }
    REQUIRE(two.install(*backend, one.lease(*backend)).has_value());

    const Ipv4Address here{0x0af40100}, beyond{0x0af40200};
    const real::Fd a = udp_socket(first.netns, here, port);
    const real::Fd b = udp_socket(there, beyond, port);
    const auto largest = static_cast<ssize_t>(backend->overlay_mtu(1500) - 28);
    send_to(a, beyond, static_cast<std::size_t>(largest));
    const Datagram request = receive(b);
    send_to(b, here, static_cast<std::size_t>(largest));
    const Datagram answer = receive(a);

    CHECK(request.bytes == largest);
    CHECK(request.from == here);
    CHECK(answer.bytes == largest);
    CHECK(answer.from == beyond);
}

}  // namespace

TEST_CASE("datagrams cross an ipip tunnel", "[tunnels]") { exchange(R"({"Type": "ipip"})"); }

TEST_CASE("datagrams cross a WireGuard tunnel", "[tunnels]") {
    exchange(R"({"Type": "wireguard"})");
}

TEST_CASE("datagrams cross a WireGuard tunnel with a pre-shared key", "[tunnels]") {
    exchange(
        R"({"Type": "wireguard", "PSK": "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=",
            "PersistentKeepaliveInterval": 25})");
}

TEST_CASE("a pod's packet out of the network gets the host's address, and only with the rules",
          "[tunnels]") {
    OVERLAB_KERNEL_HOST(host);
    auto links = real::Links::open(host.netns);
    REQUIRE(links.has_value());
    const Ipv4Address pod{0x0af40102}, outside{0xc00002fe};
    REQUIRE(links->add_address("lo", pod, 32).has_value());
    const auto stack = real::NetlinkStack::open(host.netns, KernelHost::facts(), nullptr).value();
    const real::Fd from = udp_socket(host.netns, pod, port);
    const real::Fd to = udp_socket(host.router, outside, port);

    send_to(from, outside, 10);
    const Datagram bare = receive(to);
    const RowChange rules{RowChange::Action::install,
                          row("filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random")};
    const auto outcome = stack->apply({&rules, 1});
    if (!outcome.front()) {
        WARN("skipped: " << outcome.front().error().what);
        return;
    }
    // Another flow: what connection tracking knows of the first stays as it was.
    const real::Fd again = udp_socket(host.netns, pod, port + 1);
    send_to(again, outside, 10);
    const Datagram masqueraded = receive(to);

    CHECK(bare.from == pod);
    CHECK(masqueraded.bytes == 10);
    CHECK(masqueraded.from == KernelHost::facts().external_address);
}
