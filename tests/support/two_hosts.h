// Two pods on two hosts and one flow between them, as a whole world: for tests of what it measures.
//
//   h1 -- sw -- h2, and the store's host on the same switch; 0.25 us a link
#pragma once

#include <fmt/format.h>

#include <string>

#include "models/lease/network_config.h"
#include "sim/world.h"
#include "tests/support/catch.h"

namespace overlab::test {

struct Experiment {
    const char* profile = "infrabuilder-2024";
    std::string backend = "vxlan";
    std::uint64_t link_bps = 40'000'000'000;
    std::uint32_t mtu = 9000;
};

inline Scenario two_hosts(const Experiment& experiment) {
    Scenario scenario;
    scenario.name = "calibration";
    const std::string secret =
        experiment.backend == "ipsec" ? fmt::format(R"(, "PSK": "{:096d}")", 7) : std::string();
    scenario.network_json =
        fmt::format(R"({{"Network": "10.244.0.0/16", "Backend": {{"Type": "{}"{}}}}})",
                    experiment.backend, secret);
    scenario.network = parse_network_config(scenario.network_json).config;
    Underlay& underlay = scenario.underlay;
    underlay.address_pool = Ipv4Prefix::of({0xc0000200}, 24);  // 192.0.2.0/24
    underlay.nodes = {{.name = "h1", .address = {}},
                      {.name = "h2", .address = {}},
                      {.name = "store", .address = {}, .runs_node = false},
                      {.name = "sw", .kind = UnderlayNode::Kind::switch_, .address = {}}};
    for (std::size_t end = 0; end < 3; ++end) {
        underlay.links.push_back({.name = underlay.nodes[end].name + "--sw",
                                  .a = end,
                                  .b = 3,
                                  .rate_bps = experiment.link_bps,
                                  .delay = nanoseconds(250),
                                  .queue_bytes = 4'000'000,
                                  .mtu = experiment.mtu});
    }
    scenario.store.host = 2;
    scenario.pods = {{.name = "client", .host = 0}, {.name = "server", .host = 1}};
    scenario.sim.cost_profile = experiment.profile;
    return scenario;
}

/// One flow from second one on, for `length`.
inline RunReport run_flow(Scenario scenario, TrafficSpec traffic, Duration length) {
    traffic.name = "flow";
    traffic.from = 0;
    traffic.to = 1;
    traffic.start = seconds(1);
    scenario.traffic = {traffic};
    scenario.duration = seconds(1) + length;
    const Result<RunReport> report = sim::run(scenario, {});
    REQUIRE(report);
    return *report;
}

}  // namespace overlab::test
