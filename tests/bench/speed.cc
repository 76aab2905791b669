// How fast the simulator is, next to the overlay that a user would write with stock ns-3 parts.
//
//   overlab_bench_speed [--only NAME] [--rounds N] [--enforce]
//
// Every measurement runs in a child of its own (ns-3 has one simulator a process); peer and ours
// take turns, and the median of the rounds counts. Time is CPU time of the process, so a busy
// machine does not change much; ratios are what to look at. Exit status 0 whatever comes out,
// unless
// --enforce asks for 1 when a target is missed.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/child.h"
#include "tests/bench/overlay_lab.h"
#include "tests/bench/peer_stock.h"
#include "tests/bench/world_bench.h"

namespace overlab::bench {
namespace {

struct Options {
    std::string only;
    int rounds = 3;
    bool enforce = false;
};

template <typename Simulation>
Sample measure(Simulation& simulation, double setup_cpu_s) {
    const double begin = cpu_seconds();
    simulation.run();
    return {.setup_cpu_s = setup_cpu_s,
            .cpu_s = cpu_seconds() - begin,
            .amount = static_cast<double>(simulation.packet_hops()),
            .detail = static_cast<double>(simulation.packets_received())};
}

/// Million packet-hops a CPU second; 0 if the child failed.
double hop_rate(const std::optional<Sample>& sample) {
    return sample && sample->cpu_s > 0 ? sample->amount / sample->cpu_s / 1e6 : 0.0;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0.0 : values[values.size() / 2];
}

struct Size {
    std::uint32_t hosts;
    double target_ratio;
    std::uint32_t peer_packets;  ///< a pod; the peer needs a second or so for them
    std::uint32_t our_packets;
};

struct Ours {
    const char* name;
    bool stacks, cpu_model, is_target;
};

/// One row of the table a way of ours. Returns true if the target is met.
bool compare_hops(const Size& size, int rounds) {
    constexpr Ours ways[] = {{"generators", false, false, true},
                             {"generators, CPU model", false, true, false},
                             {"ns-3 pods", true, false, false}};
    std::vector<double> peer, ours[std::size(ways)];
    double peer_setup_s = 0;
    for (int round = 0; round < rounds; ++round) {
        const auto sample = in_child([&] {
            const double begin = cpu_seconds();
            StockPeer simulation({.hosts = size.hosts, .packets_per_pod = size.peer_packets});
            return measure(simulation, cpu_seconds() - begin);
        });
        peer.push_back(hop_rate(sample));
        if (sample) peer_setup_s = sample->setup_cpu_s;
        for (std::size_t i = 0; i < std::size(ways); ++i) {
            ours[i].push_back(hop_rate(in_child([&] {
                const double begin = cpu_seconds();
                OverlayLab simulation(
                    {.hosts = size.hosts,
                     .packets_per_pod = ways[i].stacks ? size.our_packets / 4 : size.our_packets,
                     .stacks = ways[i].stacks,
                     .cpu_model = ways[i].cpu_model});
                return measure(simulation, cpu_seconds() - begin);
            })));
        }
    }
    bool met = true;
    for (std::size_t i = 0; i < std::size(ways); ++i) {
        const double ratio = median(peer) > 0 ? median(ours[i]) / median(peer) : 0;
        std::string verdict;
        if (ways[i].is_target) {
            met = ratio >= size.target_ratio;
            verdict = fmt::format("{:4.0f}x {}", size.target_ratio, met ? "met" : "MISSED");
        }
        fmt::print("{:5} | {:22} | {:8.3f} | {:8.3f} | {:6.1f}x | {}\n", size.hosts, ways[i].name,
                   median(peer), median(ours[i]), ratio, verdict);
    }
    fmt::print("      | (peer's set-up: {:.2f} CPU-s, not counted)\n", peer_setup_s);
    return met;
}

bool hops(int rounds) {
    fmt::print(
        "\nMillion packet-hops a CPU second, VXLAN, 1400-byte UDP, 4 hops a packet\n"
        "hosts | ours                   |     peer |     ours |   ratio | target\n");
    bool met = true;
    for (const Size& size :
         {Size{16, 15, 1500, 20'000}, Size{128, 30, 100, 2'500}, Size{1000, 100, 5, 200}}) {
        met = compare_hops(size, rounds) && met;
    }
    return met;
}

struct Part {
    const char* name;
    std::function<bool(int)> run;
};

int run(const Options& options) {
    const Part parts[] = {{"hops", hops},
                          {"tcp", [](int rounds) { return tcp_flow(rounds); }},
                          {"boot-1000", [](int) { return boot(1000); }},
                          {"boot-5000", [](int) { return boot(5000); }}};
    bool met = true;
    for (const Part& part : parts) {
        if (!options.only.empty() && options.only != part.name) continue;
        met = part.run(options.rounds) && met;
    }
    return met || !options.enforce ? 0 : 1;
}

}  // namespace
}  // namespace overlab::bench

int main(int argc, char** argv) {
    overlab::bench::Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--enforce") {
            options.enforce = true;
        } else if (argument == "--only" && i + 1 < argc) {
            options.only = argv[++i];
        } else if (argument == "--rounds" && i + 1 < argc) {
            options.rounds = std::max(1, std::atoi(argv[++i]));
        } else {
            fmt::print(stderr,
                       "usage: {} [--only hops|tcp|boot-1000|boot-5000] [--rounds N] [--enforce]\n",
                       argv[0]);
            return 2;
        }
    }
    return overlab::bench::run(options);
}
