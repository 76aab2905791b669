#include "tests/bench/world_bench.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "models/lease/network_config.h"
#include "sim/sim_world.h"
#include "tests/bench/child.h"

namespace overlab::bench {
namespace {

constexpr double tcp_target_cpu_s = 0.6, tcp_target_difference = 0.03;

/// Hosts h00000.. under leaves of 40, four routers as spines, the store on a host of its own.
/// Everything 10 Gbit/s; VXLAN over 10.0.0.0/8.
Scenario leaf_spine(std::uint32_t hosts) {
    constexpr std::uint32_t hosts_a_leaf = 40, spines = 4;
    const std::uint32_t leaves = (hosts + hosts_a_leaf - 1) / hosts_a_leaf;
    Scenario scenario;
    scenario.name = fmt::format("leaf-spine-{}", hosts);
    scenario.network_json =
        R"({"Network": "10.0.0.0/8", "SubnetLen": 24, "Backend": {"Type": "vxlan"}})";
    scenario.network = parse_network_config(scenario.network_json).config;
    Underlay& underlay = scenario.underlay;
    underlay.address_pool = Ipv4Prefix::of({0xc6120000}, 15);  // 198.18.0.0/15, RFC 2544
    const auto add = [&](const std::string& name, UnderlayNode::Kind kind) {
        underlay.nodes.push_back({.name = name, .kind = kind, .address = {}});
        return underlay.nodes.size() - 1;
    };
    const auto link = [&](std::size_t a, std::size_t b) {
        underlay.links.push_back({.name = underlay.nodes[a].name + "--" + underlay.nodes[b].name,
                                  .a = a,
                                  .b = b,
                                  .delay = microseconds(1)});
    };
    for (std::uint32_t host = 0; host < hosts; ++host) {
        add(fmt::format("h{:05}", host), UnderlayNode::Kind::host);
    }
    for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
        add(fmt::format("leaf{:03}", leaf), UnderlayNode::Kind::switch_);
    }
    for (std::uint32_t spine = 0; spine < spines; ++spine) {
        add(fmt::format("spine{}", spine), UnderlayNode::Kind::router);
    }
    scenario.store.host = add("store", UnderlayNode::Kind::host);
    underlay.nodes.back().runs_node = false;
    for (std::uint32_t host = 0; host < hosts; ++host) link(host, hosts + host / hosts_a_leaf);
    for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
        for (std::uint32_t spine = 0; spine < spines; ++spine) {
            link(hosts + leaf, hosts + leaves + spine);
        }
    }
    link(scenario.store.host, hosts);  // in the first rack
    std::ranges::sort(underlay.links, {}, &UnderlayLink::name);
    return scenario;
}

/// Two hosts and the store on one switch, one TCP flow from the first second on.
Scenario one_flow(bool super_segments, bool cpu_model) {
    Scenario scenario = leaf_spine(2);
    scenario.name = "one-flow";
    scenario.duration = seconds(2);
    scenario.pods = {{.name = "client", .host = 0}, {.name = "server", .host = 1}};
    scenario.traffic = {{.name = "bulk", .from = 0, .to = 1, .start = seconds(1), .stop = {}}};
    scenario.sim.super_segments = super_segments;
    scenario.sim.cpu_model = cpu_model;
    return scenario;
}

Sample run_flow(bool super_segments, bool cpu_model) {
    const Scenario scenario = one_flow(super_segments, cpu_model);
    auto world = sim::SimWorld::build(scenario, {});
    CHECK(world.has_value());
    (*world)->run_until(1'000'000'000);
    const double begin = cpu_seconds();
    (*world)->run_until(2'000'000'000);
    const double used = cpu_seconds() - begin;
    const RunReport report = (*world)->report();
    return {.cpu_s = used, .amount = static_cast<double>(report.flows.front().goodput_bps)};
}

Sample run_boot(std::uint32_t hosts) {
    Scenario scenario = leaf_spine(hosts);
    scenario.duration = seconds(600);
    const double begin_wall_s = wall_seconds(), begin_cpu_s = cpu_seconds();
    auto world = sim::SimWorld::build(scenario, {});
    CHECK(world.has_value());
    CHECK((*world)->run_until_converged(scenario.duration.ns));
    Sample sample{.cpu_s = cpu_seconds() - begin_cpu_s, .wall_s = wall_seconds() - begin_wall_s};
    sample.detail = static_cast<double>((*world)->engine().now_ns()) * 1e-9;
    for (const HostReport& host : (*world)->report().hosts) {
        sample.amount += static_cast<double>(host.rows);
    }
    return sample;
}

}  // namespace

bool tcp_flow(int rounds) {
    std::vector<double> cpu_s;
    for (int round = 0; round < rounds; ++round) {
        const auto sample = in_child([] { return run_flow(true, true); });
        if (!sample) return false;
        cpu_s.push_back(sample->cpu_s);
    }
    std::sort(cpu_s.begin(), cpu_s.end());
    const double median_s = cpu_s[cpu_s.size() / 2];
    // Without host CPUs, so that the link binds: hosts that handle every segment alone do not reach
    // it.
    const auto with = in_child([] { return run_flow(true, false); });
    const auto without = in_child([] { return run_flow(false, false); });
    if (!with || !without) return false;
    const double difference = std::abs(with->amount / without->amount - 1);
    const bool quick = median_s <= tcp_target_cpu_s, same = difference <= tcp_target_difference;
    fmt::print("\nOne TCP flow at 10 Gbit/s over VXLAN, one simulated second\n");
    fmt::print(
        "CPU time {:.3f} s (target {}) {}; without host CPUs {:.3f} s, without super-segments "
        "{:.2f} s\n",
        median_s, tcp_target_cpu_s, quick ? "met" : "MISSED", with->cpu_s, without->cpu_s);
    fmt::print(
        "goodput with super-segments {:.3f}, without {:.3f} Gbit/s: {:.2f} % apart (target {:.0f} "
        "%) {}\n",
        with->amount / 1e9, without->amount / 1e9, difference * 100, tcp_target_difference * 100,
        same ? "met" : "MISSED");
    return quick && same;
}

bool boot(std::uint32_t hosts) {
    const double wall_target_s = hosts <= 1000 ? 20 : 300,
                 memory_target_mb = hosts <= 1000 ? 2048 : 12288;
    const auto sample = in_child([&] { return run_boot(hosts); });
    if (!sample) {
        fmt::print("\nBoot of {} hosts: failed\n", hosts);
        return false;
    }
    const bool met = sample->wall_s <= wall_target_s && sample->peak_rss_mb <= memory_target_mb;
    fmt::print(
        "\nBoot and convergence of {} VXLAN hosts at once: {:.1f} s wall (target {:.0f}), {:.1f} "
        "CPU-s, "
        "{:.0f} MB (target {:.0f}), {:.0f} rows, {:.3f} s simulated  {}\n",
        hosts, sample->wall_s, wall_target_s, sample->cpu_s, sample->peak_rss_mb, memory_target_mb,
        sample->amount, sample->detail, met ? "met" : "MISSED");
    return met;
}

}  // namespace overlab::bench
