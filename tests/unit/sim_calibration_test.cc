// The simulation against the published cells that the cost profiles are derived from: what a whole
// world (store, nodes, pods' TCP, links, host CPUs) measures, not the closed form.
//
//   h1 --40G-- sw --40G-- h2        MTU 9000, as InfraBuilder's benchmark 2024-01
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/two_hosts.h"

namespace overlab {
namespace {

using test::Experiment;
using test::run_flow;
using test::two_hosts;

double tcp_gbps(const Experiment& experiment, unsigned streams) {
    TrafficSpec tcp{.kind = TrafficSpec::Kind::tcp, .stop = {}, .streams = streams};
    const FlowReport flow = run_flow(two_hosts(experiment), tcp, milliseconds(300)).flows.at(0);
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
        const FlowReport flow = run_flow(two_hosts(experiment), ping, milliseconds(20)).flows.at(0);
        return static_cast<double>(flow.latency.p50_ns) / 1000;
    };
    const double plain = p50_us("host-gw"), overlay = p50_us("vxlan");

    INFO("simulated " << plain << " and " << overlay << " us");
    CHECK(within(plain, 22.5, 10));
    CHECK(within(overlay, 37.3, 10));
}

}  // namespace overlab
