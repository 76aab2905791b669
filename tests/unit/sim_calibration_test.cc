// The simulation against the published cells that the cost profiles are derived from: what a whole
// world (store, nodes, pods' TCP, links, host CPUs) measures, not the closed form.
//
//   h1 --40G-- sw --40G-- h2        MTU 9000, as InfraBuilder's benchmark 2024-01
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/lease/network_config.h"
#include "sim/world.h"
#include "tests/support/catch.h"

namespace overlab {
namespace {

struct Experiment {
    const char* profile = "infrabuilder-2024";
    const char* backend = "vxlan";
    std::uint64_t link_bps = 40'000'000'000;
    std::uint32_t mtu = 9000;
};

/// Two hosts and the store's on one switch, a pod on each; 0.25 us a link.
Scenario two_hosts(const Experiment& experiment) {
    Scenario scenario;
    scenario.name = "calibration";
    const std::string secret = std::string(experiment.backend) == "ipsec"
                                   ? fmt::format(R"(, "PSK": "{:096d}")", 7)
                                   : std::string();
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

FlowReport run_traffic(Scenario scenario, TrafficSpec traffic, Duration length) {
    traffic.name = "flow";
    traffic.from = 0;
    traffic.to = 1;
    traffic.start = seconds(1);
    scenario.traffic = {traffic};
    scenario.duration = seconds(1) + length;
    const Result<RunReport> report = sim::run(scenario, {});
    REQUIRE(report);
    return report->flows.at(0);
}

double tcp_gbps(const Experiment& experiment, unsigned streams) {
    TrafficSpec tcp{.kind = TrafficSpec::Kind::tcp, .stop = {}, .streams = streams};
    const FlowReport flow = run_traffic(two_hosts(experiment), tcp, milliseconds(300));
    return static_cast<double>(flow.steady_goodput_bps) / 1e9;
}

bool within(double value, double published, double percent) {
    return std::abs(value - published) <= published * percent / 100;
}

}  // namespace

TEST_CASE("simulated TCP throughput is within 10 percent of the published cells") {
    struct Cell {
        const char* what;
        Experiment experiment;
        unsigned streams;
        double gbps;
    };
    const Cell cells[] = {
        {"bare metal, one stream", {.backend = "host-gw"}, 1, 31.37},
        {"flannel vxlan, one stream", {.backend = "vxlan"}, 1, 20.00},
        {"antrea IPsec, one stream", {.backend = "ipsec"}, 1, 6.93},
        {"bare metal, eight streams", {.backend = "host-gw"}, 8, 39.54},
        {"flannel vxlan, eight streams", {.backend = "vxlan"}, 8, 38.88},
        {"antrea IPsec, eight streams", {.backend = "ipsec"}, 8, 4.71},
        {"kube-router", {.profile = "infrabuilder-2024-pods", .backend = "host-gw"}, 1, 22.70},
        {"ONCache bare metal",
         {.profile = "oncache-2024",
          .backend = "host-gw",
          .link_bps = 100'000'000'000,
          .mtu = 1500},
         1,
         39.35},
        {"ONCache overlay",
         {.profile = "oncache-2024", .backend = "vxlan", .link_bps = 100'000'000'000, .mtu = 1500},
         1,
         33.27},
        {"flannel udp", {.profile = "laptop", .backend = "udp", .mtu = 1500}, 1, 0.91},
    };
    for (const Cell& cell : cells) {
        const double gbps = tcp_gbps(cell.experiment, cell.streams);
        INFO(cell.what << ": simulated " << gbps << " Gbit/s, published " << cell.gbps);
        CHECK(within(gbps, cell.gbps, 10));
    }
}

TEST_CASE("simulated round trips are within 10 percent of ONCache's") {
    const TrafficSpec ping{.kind = TrafficSpec::Kind::request_response,
                           .stop = {},
                           .request_bytes = 1,
                           .response_bytes = 1};
    const auto p50_us = [&](const char* backend) {
        const Experiment experiment{.profile = "oncache-2024",
                                    .backend = backend,
                                    .link_bps = 100'000'000'000,
                                    .mtu = 1500};
        const FlowReport flow = run_traffic(two_hosts(experiment), ping, milliseconds(20));
        return static_cast<double>(flow.latency.p50_ns) / 1000;
    };
    const double plain = p50_us("host-gw"), overlay = p50_us("vxlan");

    INFO("simulated " << plain << " and " << overlay << " us");
    CHECK(within(plain, 22.5, 10));
    CHECK(within(overlay, 37.3, 10));
}

}  // namespace overlab
