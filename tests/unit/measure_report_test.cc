// Percentiles by nearest rank, and metrics by the names that expectations use.
#include <catch2/catch.hpp>

#include "models/measure/run_report.h"

using namespace overlab;

namespace {

RunReport example() {
    RunReport report;
    report.overlay_mtu = 1450;
    report.converged_ns = 1'500'000;
    report.unreachable = {{"h1", "h2", "behind a router"}};

    FlowReport bulk;
    bulk.name = "bulk";
    bulk.goodput_bps = 9'000'000'000;
    FlowReport probe;
    probe.name = "probe";
    probe.packets_sent = 3000;
    probe.packets_received = 2999;
    probe.packets_lost = 1;
    probe.latency = LatencySummary::of({30, 10, 20});
    report.flows = {bulk, probe};

    HostReport host;
    host.name = "h1";
    host.cpu_ns[static_cast<std::size_t>(CostStage::vxlan_encap)] = 70;
    host.cpu_ns[static_cast<std::size_t>(CostStage::nic_tx)] = 5;
    host.drops = {{"mtu_exceeded", 2}, {"no_route", 3}};
    report.hosts = {host};
    return report;
}

std::string complaint(const std::string& of, const std::string& name) {
    const auto value = metric(example(), of, name);
    return value ? "no error" : value.error().what;
}

}  // namespace

TEST_CASE("percentiles are samples, chosen by nearest rank") {
    std::vector<std::int64_t> samples;
    for (std::int64_t i = 1000; i >= 1; --i) samples.push_back(i);

    const auto summary = LatencySummary::of(samples);

    CHECK(summary == LatencySummary{.count = 1000,
                                    .min_ns = 1,
                                    .p50_ns = 500,
                                    .p90_ns = 900,
                                    .p99_ns = 990,
                                    .p999_ns = 999,
                                    .max_ns = 1000,
                                    .mean_ns = 500});
}

TEST_CASE("with few samples high percentiles are the largest") {
    const auto summary = LatencySummary::of({5, 1, 3});
    CHECK(summary.p50_ns == 3);
    CHECK(summary.p90_ns == 5);
    CHECK(summary.p999_ns == 5);
    CHECK(summary.mean_ns == 3);
    CHECK(LatencySummary::of({7}).p50_ns == 7);
    CHECK(LatencySummary::of({}) == LatencySummary{});
}

TEST_CASE("metrics are found by flow, host and network") {
    const struct {
        const char *of, *name;
        double value;
    } rows[] = {
        {"network", "overlay_mtu", 1450},    {"network", "converged_ns", 1.5e6},
        {"network", "unreachable_pairs", 1}, {"bulk", "goodput_bps", 9e9},
        {"probe", "latency_p50_ns", 20},     {"probe", "latency_max_ns", 30},
        {"probe", "latency_mean_ns", 20},    {"h1", "cpu_vxlan_encap_ns", 70},
        {"h1", "cpu_total_ns", 75},          {"h1", "drops_total", 5},
    };
    for (const auto& row : rows) {
        INFO(row.of << " " << row.name);
        const auto value = metric(example(), row.of, row.name);
        REQUIRE(value);
        CHECK(*value == row.value);
    }
    CHECK(*metric(example(), "probe", "loss_ppm") == Approx(333.333).margin(0.001));
}

TEST_CASE("what did not happen is no number that a bound could accept") {
    CHECK(complaint("network", "first_connectivity_ns") ==
          "network: first_connectivity_ns: it never happened in this run");
    CHECK(complaint("h1", "converged_ns") == "h1: converged_ns: it never happened in this run");
    CHECK(complaint("bulk", "latency_p99_ns") == "bulk: latency_p99_ns: no latency was measured");
    CHECK(complaint("bulk", "loss_ppm") == "bulk: loss_ppm: no packets were counted");
}

TEST_CASE("an unknown metric is answered with the known ones") {
    const auto value = metric(example(), "network", "overlay_mtv");

    REQUIRE_FALSE(value);
    CHECK(value.error().kind == ErrorKind::not_found);
    CHECK(value.error().what ==
          "network: no metric \"overlay_mtv\" (did you mean \"overlay_mtu\"?); known: duration_ns, "
          "overlay_mtu, first_connectivity_ns, converged_ns, store_messages, store_bytes, "
          "clear_pod_bytes, packet_hops, events, unreachable_pairs");
}

TEST_CASE("an unknown name is answered with the nearest one") {
    CHECK(complaint("blk", "goodput_bps") ==
          "\"blk\": no traffic, host or \"network\" of that name (did you mean \"bulk\"?)");
}
