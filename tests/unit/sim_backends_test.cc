// The backends differ, and for the right reasons: headers, MTU, the work a packet makes.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/two_hosts.h"

namespace overlab {
namespace {

using test::Experiment;
using test::run_flow;
using test::two_hosts;

const std::vector<std::string> backends{"host-gw", "vxlan", "ipsec", "udp"};

TrafficSpec one_tcp_flow() { return {.kind = TrafficSpec::Kind::tcp, .stop = {}}; }

/// A link-bound flow: 1 Gbit/s, no CPU costs.
RunReport link_bound(const std::string& backend, std::uint32_t mtu, bool super_segments = true,
                     Duration length = seconds(1)) {
    Scenario scenario = two_hosts({.backend = backend, .link_bps = 1'000'000'000, .mtu = mtu});
    scenario.sim.cpu_model = false;
    scenario.sim.super_segments = super_segments;
    return run_flow(scenario, one_tcp_flow(), length);
}

RunReport on_profile(const std::string& backend, const TrafficSpec& traffic, Duration length) {
    return run_flow(
        two_hosts(
            {.profile = "laptop", .backend = backend, .link_bps = 40'000'000'000, .mtu = 1500}),
        traffic, length);
}

/// Each entry larger than the one before.
bool ascending(const std::vector<std::int64_t>& values) {
    return std::ranges::adjacent_find(values, std::greater_equal<>{}) == values.end();
}

}  // namespace

TEST_CASE("a link-bound flow's goodput is the arithmetic of its headers, within 1 percent") {
    struct Cell {
        const char* backend;
        std::uint32_t mtu;
        double percent_of_line_rate;  // payload / (packet + tunnel + 38 bytes of Ethernet)
    };
    const Cell cells[] = {
        {"host-gw", 1500, 94.15}, {"udp", 1500, 92.33},     {"vxlan", 1500, 90.90},
        {"ipsec", 1500, 90.32},   {"host-gw", 9000, 99.00}, {"vxlan", 9000, 98.45},
        {"ipip", 1500, 92.85},
    };
    for (const Cell& cell : cells) {
        INFO(cell.backend << " at MTU " << cell.mtu);
        const auto goodput =
            static_cast<double>(link_bound(cell.backend, cell.mtu).flows.at(0).steady_goodput_bps);
        CHECK(std::abs(goodput / 1e7 - cell.percent_of_line_rate) <
              cell.percent_of_line_rate / 100);
    }
}

TEST_CASE("super-segments change a link-bound flow's goodput by less than 3 percent") {
    for (const std::string& backend : backends) {
        INFO(backend);
        const auto goodput = [&](bool super_segments) {
            const RunReport report = link_bound(backend, 1500, super_segments, milliseconds(300));
            return static_cast<double>(report.flows.at(0).goodput_bps);
        };
        const double with = goodput(true), without = goodput(false);
        CHECK(std::abs(with - without) < 0.03 * without);
    }
}

TEST_CASE("pods get the MTU that flannel would give them") {
    const std::vector<std::uint32_t> expected{1500, 1450, 1423, 1472};
    for (std::size_t i = 0; i < backends.size(); ++i) {
        INFO(backends[i]);
        CHECK(link_bound(backends[i], 1500).overlay_mtu == expected[i]);
    }
}

TEST_CASE("a packet carries its tunnel's headers, no more and no less, on the wire") {
    // 1000 payload bytes; UDP 8, IP 20; Ethernet with preamble, FCS and gap 38.
    const std::vector<std::uint64_t> tunnel{0, 50, 56, 28};  // ipsec: 20 + 8 + 8 + pad 2 + 2 + 16
    for (std::size_t i = 0; i < backends.size(); ++i) {
        INFO(backends[i]);
        const TrafficSpec stream{.kind = TrafficSpec::Kind::udp,
                                 .stop = {},
                                 .rate_bps = 8'000'000,
                                 .packet_bytes = 1000};
        const RunReport report = on_profile(backends[i], stream, milliseconds(100));
        const FlowReport& flow = report.flows.at(0);
        REQUIRE(flow.packets_sent > 90);
        // IPSec's first packets may go before there is an SA: only what was received is counted.
        CHECK(flow.wire_bytes == flow.packets_received * (1000 + 28 + 38 + tunnel[i]));
    }
}

TEST_CASE("round trips take longer the more a packet is handled") {
    std::vector<std::int64_t> round_trips;
    for (const std::string& backend : backends) {
        const TrafficSpec ping{.kind = TrafficSpec::Kind::request_response, .stop = {}};
        const RunReport report = on_profile(backend, ping, milliseconds(50));
        REQUIRE(report.flows.at(0).latency.count > 100);
        round_trips.push_back(report.flows.at(0).latency.p50_ns);
    }
    INFO("host-gw " << round_trips[0] << ", vxlan " << round_trips[1] << ", ipsec "
                    << round_trips[2] << ", udp " << round_trips[3] << " ns");
    CHECK(ascending(round_trips));
}

TEST_CASE("udp is an order of magnitude slower than vxlan where a core is the limit") {
    const auto goodput = [](const std::string& backend) {
        return on_profile(backend, one_tcp_flow(), milliseconds(300))
            .flows.at(0)
            .steady_goodput_bps;
    };

    CHECK(goodput("vxlan") > 10 * goodput("udp"));
}

TEST_CASE("ipip works as vxlan does, with 30 bytes less") {
    const TrafficSpec stream{
        .kind = TrafficSpec::Kind::udp, .stop = {}, .rate_bps = 8'000'000, .packet_bytes = 1000};
    const RunReport report = on_profile("ipip", stream, milliseconds(100));
    const FlowReport& flow = report.flows.at(0);
    REQUIRE(flow.packets_sent > 90);
    CHECK(flow.wire_bytes == flow.packets_received * (1000 + 28 + 38 + 20));
    CHECK(report.overlay_mtu == 1480);
    CHECK(report.clear_pod_bytes > 0);
}

TEST_CASE("a world that cannot do wireguard says which can") {
    const Result<RunReport> report = sim::run(two_hosts({.backend = "wireguard"}), {});

    REQUIRE_FALSE(report.has_value());
    CHECK(report.error().kind == ErrorKind::unsupported);
    CHECK_THAT(report.error().what, Catch::Contains("--world kernel or --world vm"));
}

TEST_CASE("only ipsec hides the pods' bytes from the underlay") {
    for (const std::string& backend : backends) {
        INFO(backend);
        const RunReport report = link_bound(backend, 1500);
        CHECK((report.clear_pod_bytes == 0) == (backend == "ipsec"));
    }
}

}  // namespace overlab
