// How fast the udp backend's data path is: one TCP flow between two namespaces at MTU 1500, through
// the tunnel in both modes and, as a bound, without any tunnel.
//
//   overlab_bench_tunnel [--rounds N] [--seconds S] [--enforce]
//
// Every measurement runs in a child of its own with all its parts (TCP sender and receiver, both
// tunnels) as threads, so the child's CPU time is the whole cost. The ways take turns; the median
// of the rounds counts. Look at the ratios: rates change with the machine's load, and CPU time a
// gigabyte hardly does. Exit status 0 whatever comes out, unless --enforce asks for 1 when the
// target is missed.
#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/child.h"
#include "tests/kernel/tun_lab.h"
#include "tests/kernel/tun_sockets.h"

namespace overlab::bench {
namespace {

constexpr double target_ratio = 8;

struct Options {
    int rounds = 5;
    double seconds = 2;
    bool enforce = false;
    std::string only;
};

enum class Way : std::uint8_t { direct, classic, fast };
constexpr std::array<const char*, 3> way_names = {"no tunnel", "classic", "fast"};

/// Bytes that arrived. Sends for so long.
std::uint64_t stream(const test::TcpPair& pair, double seconds) {
    std::thread sender([&] {
        const std::vector<char> chunk(128 << 10, 'x');
        const double end = wall_seconds() + seconds;
        while (wall_seconds() < end &&
               ::send(pair.client.get(), chunk.data(), chunk.size(), 0) > 0) {
        }
        ::shutdown(pair.client.get(), SHUT_WR);
    });
    std::vector<char> chunk(256 << 10);
    std::uint64_t total = 0;
    for (;;) {
        const ssize_t bytes = ::recv(pair.server.get(), chunk.data(), chunk.size(), 0);
        if (bytes <= 0) break;
        total += static_cast<std::uint64_t>(bytes);
    }
    sender.join();
    return total;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0.0 : values[values.size() / 2];
}

/// Median round trip in microseconds of a 64-byte datagram and its echo, one at a time.
double round_trip_us(const test::TunLab& lab, Ipv4Address to) {
    constexpr int rounds = 4000;
    constexpr std::uint16_t port = 6001;
    const real::Fd server = test::open_socket(lab.netns(1), SOCK_DGRAM, 0, 2);
    test::bind_to(server, to, port);
    std::thread echo([&] {
        std::array<char, 64> data{};
        for (int i = 0; i < rounds; ++i) {
            sockaddr_in from{};
            socklen_t size = sizeof from;
            auto* name = reinterpret_cast<sockaddr*>(&from);
            if (::recvfrom(server.get(), data.data(), data.size(), 0, name, &size) < 0) return;
            (void)::sendto(server.get(), data.data(), data.size(), 0, name, size);
        }
    });
    const real::Fd client = test::open_socket(lab.netns(0), SOCK_DGRAM, 0, 2);
    test::connect_to(client, to, port);
    std::array<char, 64> data{};
    std::vector<double> times_us;
    for (int i = 0; i < rounds; ++i) {
        const double begin = wall_seconds();
        if (::send(client.get(), data.data(), data.size(), 0) < 0) break;
        if (::recv(client.get(), data.data(), data.size(), 0) < 0) break;
        times_us.push_back((wall_seconds() - begin) * 1e6);
    }
    echo.join();
    return median(std::move(times_us));
}

Sample measure(Way way, double seconds) {
    test::TunLab lab;
    if (way != Way::direct) {
        using Mode = real::UdpTunnelOptions::Mode;
        for (std::size_t host = 0; host < 2; ++host) {
            lab.start_tunnel(host, {.mode = way == Way::fast ? Mode::fast : Mode::classic});
        }
    }
    const Ipv4Address to = way == Way::direct ? lab.underlay(1) : lab.overlay(1);
    const double round_trip = round_trip_us(lab, to);
    const test::TcpPair pair = test::connect_tcp(lab.netns(0), lab.netns(1), to);
    const auto counters = [&] {
        return way == Way::direct ? real::UdpTunnelCounters{} : lab.tunnel(0).counters();
    };
    const real::UdpTunnelCounters before = counters();
    const double cpu = cpu_seconds(), wall = wall_seconds();
    Sample sample;
    sample.setup_cpu_s = round_trip;  // The place that is free in a Sample.
    sample.amount = static_cast<double>(stream(pair, seconds));
    sample.wall_s = wall_seconds() - wall;
    sample.cpu_s = cpu_seconds() - cpu;
    const real::UdpTunnelCounters after = counters();
    sample.detail =
        static_cast<double>(after.sent_packets - before.sent_packets) /
        static_cast<double>(std::max<std::uint64_t>(after.send_calls - before.send_calls, 1));
    return sample;
}

struct Results {
    std::vector<double> gbit_s, cpu_s_gb, packets_a_call, round_trip_us;

    void add(const Sample& sample) {
        if (sample.amount <= 0) return;
        gbit_s.push_back(sample.amount * 8 / sample.wall_s / 1e9);
        cpu_s_gb.push_back(sample.cpu_s / (sample.amount / 1e9));
        packets_a_call.push_back(sample.detail);
        round_trip_us.push_back(sample.setup_cpu_s);
    }
};

/// True if the target is met.
bool run(const Options& options) {
    std::array<Results, 3> results;
    for (int round = 0; round < options.rounds; ++round) {
        for (std::size_t way = 0; way < results.size(); ++way) {
            if (!options.only.empty() && options.only != way_names[way]) continue;
            const auto sample =
                in_child([&] { return measure(static_cast<Way>(way), options.seconds); });
            if (sample) results[way].add(*sample);
        }
    }
    fmt::print("One TCP flow, MTU 1500, {} rounds of {} s\n", options.rounds, options.seconds);
    fmt::print(
        "way       | Gbit/s [least-most]   | CPU-s/GB | packets a send call | 64 B round trip, "
        "us\n");
    for (std::size_t way = 0; way < results.size(); ++way) {
        Results& of = results[way];
        if (of.gbit_s.empty()) {
            fmt::print("{:9} | failed\n", way_names[way]);
            continue;
        }
        std::sort(of.gbit_s.begin(), of.gbit_s.end());
        fmt::print("{:9} | {:6.2f} [{:5.2f}-{:5.2f}] | {:8.2f} | {:19.1f} | {:6.1f}\n",
                   way_names[way], median(of.gbit_s), of.gbit_s.front(), of.gbit_s.back(),
                   median(of.cpu_s_gb), median(of.packets_a_call), median(of.round_trip_us));
    }
    const double rate = median(results[2].gbit_s) / median(results[1].gbit_s);
    const double cpu = median(results[1].cpu_s_gb) / median(results[2].cpu_s_gb);
    const bool met = rate >= target_ratio;
    fmt::print("fast / classic: {:.1f}x the rate ({}x {}), 1/{:.1f} of the CPU time a byte\n", rate,
               target_ratio, met ? "met" : "MISSED", cpu);
    fmt::print("fast / no tunnel: {:.2f} of the rate\n",
               median(results[2].gbit_s) / median(results[0].gbit_s));
    return met;
}

}  // namespace
}  // namespace overlab::bench

int main(int argc, char** argv) {
    overlab::bench::Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--enforce") {
            options.enforce = true;
        } else if (argument == "--rounds" && i + 1 < argc) {
            options.rounds = std::atoi(argv[++i]);
        } else if (argument == "--seconds" && i + 1 < argc) {
            options.seconds = std::atof(argv[++i]);
        } else if (argument == "--only" && i + 1 < argc) {
            options.only = argv[++i];
        } else {
            fmt::print(stderr, "usage: {} [--rounds N] [--seconds S] [--enforce]\n", argv[0]);
            return 2;
        }
    }
    return overlab::bench::run(options) || !options.enforce ? 0 : 1;
}
