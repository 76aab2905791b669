// Labs of this machine's kernel to test against, and programs that talk across them: all in the
// test's own process, because a socket stays in the namespace that it was made in.
//
// Include before tests/support/catch.h.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/scenario/scenario.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"
#include "real/lab/lab.h"

namespace overlab::test {

inline std::string file_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Must parse.
inline Scenario scenario_of(const std::string& text) {
    const ParsedScenario parsed =
        parse_scenario(text, "scenario", [](const std::string&) -> Result<std::string> {
            return fail(ErrorKind::not_found, "includes are not for tests");
        });
    for (const Problem& problem : parsed.problems) fmt::print(stderr, "{}\n", problem.to_string());
    return parsed.scenario.value();
}

inline Scenario scenario_file(const std::string& name) {
    return scenario_of(file_text(OVERLAB_SOURCE_DIR "/scenarios/" + name + ".json"));
}

/// A scenario with this `underlay` and `pods`, nothing else; the store is on a host that is there.
inline Scenario scenario_with(const std::string& underlay, const std::string& pods,
                              const std::string& store_host = "h1") {
    return scenario_of(fmt::format(R"({{"overlab": 1, "name": "lab", "duration": "1s",
        "network": {{"Network": "10.244.0.0/16", "SubnetLen": 26, "Backend": {{"Type": "host-gw"}}}},
        "underlay": {}, "pods": {},
        "store": {{"at": "{}"}}, "traffic": []}})",
                                   underlay, pods, store_host));
}

/// Somebody who can be talked to.
struct Speaker {
    std::string name;
    const real::Netns* netns = nullptr;
    Ipv4Address address;
};

inline std::vector<Speaker> hosts_of(const Scenario& scenario, const real::Lab& lab) {
    std::vector<Speaker> speakers;
    for (NodeIndex node = 0; node < scenario.underlay.nodes.size(); ++node) {
        const UnderlayNode& spec = scenario.underlay.nodes[node];
        if (spec.kind != UnderlayNode::Kind::host) continue;
        speakers.push_back({spec.name, &lab.node(node), lab.facts(node).external_address});
    }
    return speakers;
}

inline std::vector<Speaker> pods_of(const Scenario& scenario, const real::Lab& lab) {
    std::vector<Speaker> speakers;
    for (std::size_t pod = 0; pod < scenario.pods.size(); ++pod)
        speakers.push_back({scenario.pods[pod].name, &lab.pod(pod), lab.pod_address(pod)});
    return speakers;
}

inline sockaddr_in socket_address(Ipv4Address address, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(address.bits);
    to.sin_port = htons(port);
    return to;
}

/// Non-blocking, bound to `port` (0: any) in the namespace.
inline real::Fd socket_in(const real::Netns& netns, int type, std::uint16_t port) {
    const real::NetnsScope scope(netns);
    real::Fd fd(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const sockaddr_in own = socket_address({}, port);
    const int again = 1;  // connections that have just ended do not hold the port
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
        throw std::runtime_error(fmt::format("bind: {}", std::strerror(errno)));
    return fd;
}

/// Everybody sends everybody a datagram that comes back.
class EchoMesh {
   public:
    static constexpr std::uint16_t port = 7007;

    explicit EchoMesh(std::vector<Speaker> speakers) : speakers_(std::move(speakers)) {
        for (const Speaker& speaker : speakers_) {
            servers_.push_back(socket_in(*speaker.netns, SOCK_DGRAM, port));
            clients_.push_back(socket_in(*speaker.netns, SOCK_DGRAM, 0));
        }
    }

    /// The pairs without an answer within `limit`: `h1->h2`.
    std::vector<std::string> run(Duration limit) {
        waiting_.clear();
        for (std::uint32_t from = 0; from < speakers_.size(); ++from) {
            for (std::uint32_t to = 0; to < speakers_.size(); ++to) {
                if (from != to) ask(from, to);
            }
            pump(0);
        }
        const std::int64_t end = real::EventLoop::monotonic_ns() + limit.ns;
        while (!waiting_.empty() && real::EventLoop::monotonic_ns() < end) pump(10);
        std::vector<std::string> missing;
        for (const auto& [from, to] : waiting_)
            missing.push_back(speakers_[from].name + "->" + speakers_[to].name);
        return missing;
    }

   private:
    using Ids = std::array<std::uint32_t, 2>;

    void ask(std::uint32_t from, std::uint32_t to) {
        waiting_.insert({from, to});
        const Ids ids{from, to};
        const sockaddr_in there = socket_address(speakers_[to].address, port);
        // A failure shows as a missing answer.
        (void)::sendto(clients_[from].get(), &ids, sizeof ids, 0,
                       reinterpret_cast<const sockaddr*>(&there), sizeof there);
    }
    void pump(int wait_ms) {
        std::vector<pollfd> all;
        for (const auto* group : {&servers_, &clients_}) {
            for (const real::Fd& fd : *group)
                all.push_back({.fd = fd.get(), .events = POLLIN, .revents = 0});
        }
        (void)::poll(all.data(), all.size(), wait_ms);
        for (const real::Fd& server : servers_) answer(server.get());
        for (const real::Fd& client : clients_) {
            for (Ids ids{}; ::recv(client.get(), &ids, sizeof ids, 0) == sizeof ids;)
                waiting_.erase({ids[0], ids[1]});
        }
    }
    static void answer(int fd) {
        for (;;) {
            Ids ids{};
            sockaddr_in from{};
            socklen_t size = sizeof from;
            if (::recvfrom(fd, &ids, sizeof ids, 0, reinterpret_cast<sockaddr*>(&from), &size) !=
                sizeof ids)
                return;
            (void)::sendto(fd, &ids, sizeof ids, 0, reinterpret_cast<const sockaddr*>(&from), size);
        }
    }

    std::vector<Speaker> speakers_;
    std::vector<real::Fd> servers_, clients_;
    std::set<std::pair<std::uint32_t, std::uint32_t>> waiting_;
};

inline std::vector<std::string> unreachable(std::vector<Speaker> speakers,
                                            Duration limit = seconds(20)) {
    return EchoMesh(std::move(speakers)).run(limit);
}

/// One TCP connection of this length: its payload's rate from the first question on, so never more
/// than the way there can carry.
inline std::uint64_t tcp_goodput_bps(const Speaker& from, const Speaker& to, Duration length) {
    const real::Fd listener = socket_in(*to.netns, SOCK_STREAM, 7008);
    if (::listen(listener.get(), 1) != 0) throw std::runtime_error("listen");
    const real::Fd sender = socket_in(*from.netns, SOCK_STREAM, 0);
    const sockaddr_in there = socket_address(to.address, 7008);
    const std::int64_t start = real::EventLoop::monotonic_ns();
    (void)::connect(sender.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there);
    real::Fd receiver;
    std::vector<char> block(256 * 1024);
    std::uint64_t received_bytes = 0;
    std::int64_t last = start + 1;
    while (last < start + length.ns) {
        std::array<pollfd, 2> ready{{{.fd = sender.get(), .events = POLLOUT, .revents = 0},
                                     {.fd = receiver.valid() ? receiver.get() : listener.get(),
                                      .events = POLLIN,
                                      .revents = 0}}};
        (void)::poll(ready.data(), ready.size(), 50);
        (void)::send(sender.get(), block.data(), block.size(), MSG_NOSIGNAL);
        if (!receiver.valid())
            receiver = real::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
        const ssize_t count =
            receiver.valid() ? ::recv(receiver.get(), block.data(), block.size(), 0) : 0;
        if (count > 0) received_bytes += static_cast<std::uint64_t>(count);
        last = real::EventLoop::monotonic_ns();
    }
    return static_cast<std::uint64_t>(static_cast<double>(received_bytes) * 8e9 /
                                      static_cast<double>(last - start));
}

}  // namespace overlab::test

/// In a TEST_CASE: `OVERLAB_LAB(lab, scenario, options)` builds one, or leaves the test with the
/// reason why this machine cannot.
#define OVERLAB_LAB(name, scenario, ...)                                    \
    if (const auto allowed = ::overlab::real::Netns::create(); !allowed) {  \
        WARN("skipped: " << allowed.error().what);                          \
        return;                                                             \
    }                                                                       \
    auto name##_built = ::overlab::real::Lab::build(scenario, __VA_ARGS__); \
    if (!name##_built) FAIL(name##_built.error().what);                     \
    std::unique_ptr<::overlab::real::Lab> name = std::move(*name##_built)
