#include "real/world/pinger.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "models/net/checksum.h"
#include "real/base/event_loop.h"
#include "real/base/fd.h"

namespace overlab::real {
namespace {

using Pair = std::pair<std::size_t, std::size_t>;

Result<Fd> open_socket(const Netns& netns) {
    const NetnsScope scope(netns);
    Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP));
    if (!socket.valid()) {
        return fail(ErrorKind::unavailable, fmt::format("ICMP socket: {}", std::strerror(errno)),
                    errno);
    }
    return socket;
}

/// The request's identifier and sequence number are the pair's indexes.
void send_echo(int socket, const Pair& pair, Ipv4Address destination) {
    icmphdr header{};
    header.type = ICMP_ECHO;
    header.un.echo.id = htons(static_cast<std::uint16_t>(pair.first));
    header.un.echo.sequence = htons(static_cast<std::uint16_t>(pair.second));
    std::array<std::uint8_t, sizeof header> bytes{};
    std::memcpy(bytes.data(), &header, sizeof header);
    header.checksum = htons(internet_checksum(bytes));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(destination.bits);
    // A refusal (no route) is an answer that does not come.
    (void)::sendto(socket, &header, sizeof header, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

/// Takes the answers that wait at `socket` out of `open`.
void take_answers(int socket, std::set<Pair>& open) {
    std::array<std::uint8_t, 2048> packet{};
    for (;;) {
        const ssize_t size = ::recv(socket, packet.data(), packet.size(), 0);
        if (size < static_cast<ssize_t>(sizeof(iphdr))) return;
        const std::size_t header_bytes = std::size_t{4} * (packet[0] & 0x0fU);
        icmphdr header{};
        if (static_cast<std::size_t>(size) < header_bytes + sizeof header) continue;
        std::memcpy(&header, packet.data() + header_bytes, sizeof header);
        if (header.type != ICMP_ECHOREPLY) continue;
        open.erase({ntohs(header.un.echo.id), ntohs(header.un.echo.sequence)});
    }
}

/// One try for all open pairs.
void ping_once(const std::vector<PingEnd>& ends, const std::vector<Fd>& sockets,
               std::set<Pair>& open, Duration patience) {
    for (const Pair& pair : open)
        send_echo(sockets[pair.first].get(), pair, ends[pair.second].address);
    std::vector<pollfd> waiting;
    for (const Fd& socket : sockets)
        waiting.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
    const std::int64_t deadline = EventLoop::monotonic_ns() + patience.ns;
    while (!open.empty()) {
        const std::int64_t left_ms = (deadline - EventLoop::monotonic_ns()) / 1'000'000;
        if (left_ms <= 0) return;
        (void)::poll(waiting.data(), waiting.size(), static_cast<int>(left_ms));
        for (const pollfd& ready : waiting) {
            if (ready.revents != 0) take_answers(ready.fd, open);
        }
    }
}

}  // namespace

Result<std::vector<Pair>> unanswered_pings(const std::vector<PingEnd>& ends, unsigned tries,
                                           Duration patience) {
    std::vector<Fd> sockets;
    std::set<Pair> open;
    std::vector<Pair> hopeless;
    for (std::size_t from = 0; from < ends.size(); ++from) {
        OVERLAB_TRY(Fd socket, open_socket(*ends[from].netns));
        sockets.push_back(std::move(socket));
        for (std::size_t to = 0; to < ends.size(); ++to) {
            if (from == to) continue;
            const bool possible = ends[from].address.bits != 0 && ends[to].address.bits != 0;
            if (possible) {
                open.insert({from, to});
            } else {
                hopeless.emplace_back(from, to);
            }
        }
    }
    for (unsigned i = 0; i < tries && !open.empty(); ++i) ping_once(ends, sockets, open, patience);
    hopeless.insert(hopeless.end(), open.begin(), open.end());
    std::ranges::sort(hopeless);
    return hopeless;
}

}  // namespace overlab::real
