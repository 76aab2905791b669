#include "models/measure/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "models/base/suggest.h"

namespace overlab {
namespace {

struct Metric {
    std::string name;
    std::optional<double> value;  ///< empty: this run has no such measurement
    std::string_view absent;      ///< why it is empty
};
using Metrics = std::vector<Metric>;

constexpr std::string_view never_happened = "it never happened in this run";

template <typename Integer>
Metric number(std::string name, Integer value) {
    return {std::move(name), static_cast<double>(value)};
}

/// A point in time that reports hold as -1 when it did not come: no bound may be met by that.
Metric moment(std::string name, std::int64_t at_ns) {
    if (at_ns < 0) return {std::move(name), std::nullopt, never_happened};
    return number(std::move(name), at_ns);
}

void add_latency(Metrics& metrics, const LatencySummary& latency) {
    const std::pair<const char*, std::int64_t> values[] = {
        {"latency_min_ns", latency.min_ns},   {"latency_p50_ns", latency.p50_ns},
        {"latency_p90_ns", latency.p90_ns},   {"latency_p99_ns", latency.p99_ns},
        {"latency_p999_ns", latency.p999_ns}, {"latency_max_ns", latency.max_ns},
        {"latency_mean_ns", latency.mean_ns}};
    metrics.push_back(number("latency_count", latency.count));
    for (const auto& [name, value] : values) {
        if (latency.count > 0) {
            metrics.push_back(number(name, value));
        } else {
            metrics.push_back({name, std::nullopt, "no latency was measured"});
        }
    }
}

Metrics metrics_of(const FlowReport& flow) {
    Metrics metrics{number("start_ns", flow.start_ns),
                    number("stop_ns", flow.stop_ns),
                    number("bytes_delivered", flow.bytes_delivered),
                    number("goodput_bps", flow.goodput_bps),
                    number("steady_goodput_bps", flow.steady_goodput_bps),
                    number("packets_sent", flow.packets_sent),
                    number("packets_received", flow.packets_received),
                    number("retransmits", flow.retransmits),
                    number("jitter_ns", flow.jitter_ns),
                    moment("first_delivery_ns", flow.first_delivery_ns),
                    number("wire_bytes", flow.wire_bytes),
                    number("mss_bytes", flow.mss_bytes)};
    if (flow.packets_sent > 0) {
        const double share =
            static_cast<double>(flow.packets_lost) / static_cast<double>(flow.packets_sent);
        metrics.push_back({"loss_ppm", share * 1e6});
        metrics.push_back(number("packets_lost", flow.packets_lost));
    } else {
        metrics.push_back({"packets_lost", std::nullopt, "no packets were counted"});
        metrics.push_back({"loss_ppm", std::nullopt, "no packets were counted"});
    }
    add_latency(metrics, flow.latency);
    return metrics;
}

Metrics metrics_of(const HostReport& host) {
    Metrics metrics{moment("lease_acquired_ns", host.lease_acquired_ns),
                    moment("converged_ns", host.converged_ns),
                    number("overlay_mtu", host.overlay_mtu), number("rows", host.rows),
                    number("busiest_core_ns", host.busiest_core_ns)};
    std::int64_t total_ns = 0;
    for (std::size_t stage = 0; stage < cost_stage_count; ++stage) {
        total_ns += host.cpu_ns[stage];
        metrics.push_back(number(fmt::format("cpu_{}_ns", to_string(static_cast<CostStage>(stage))),
                                 host.cpu_ns[stage]));
    }
    for (const auto& [what, time_ns] : host.cpu_measured_ns) {
        total_ns += time_ns;
        metrics.push_back(number(fmt::format("cpu_{}_ns", what), time_ns));
    }
    metrics.push_back(number("cpu_total_ns", total_ns));
    std::uint64_t drops = 0;
    for (const auto& [disposition, packets] : host.drops) drops += packets;
    metrics.push_back(number("drops_total", drops));
    return metrics;
}

Metrics metrics_of_network(const RunReport& report) {
    return {number("duration_ns", report.duration_ns),
            number("overlay_mtu", report.overlay_mtu),
            moment("first_connectivity_ns", report.first_connectivity_ns),
            moment("converged_ns", report.converged_ns),
            number("store_messages", report.store_messages),
            number("store_bytes", report.store_bytes),
            number("clear_pod_bytes", report.clear_pod_bytes),
            number("packet_hops", report.packet_hops),
            number("events", report.events),
            number("unreachable_pairs", report.unreachable.size())};
}

Result<double> pick(const Metrics& metrics, const std::string& of, const std::string& wanted) {
    const auto found = std::ranges::find(metrics, wanted, &Metric::name);
    if (found != metrics.end() && found->value) return *found->value;
    if (found != metrics.end()) {
        return fail(ErrorKind::unavailable, fmt::format("{}: {}: {}", of, wanted, found->absent));
    }
    std::vector<std::string_view> known;
    for (const Metric& metric : metrics) known.push_back(metric.name);
    return fail(ErrorKind::not_found,
                fmt::format("{}: no metric \"{}\"{}; known: {}", of, wanted,
                            did_you_mean(wanted, known), fmt::join(known, ", ")));
}

std::unexpected<Error> nothing_called(const RunReport& report, const std::string& of) {
    std::vector<std::string_view> known{"network"};
    for (const FlowReport& flow : report.flows) known.push_back(flow.name);
    for (const HostReport& host : report.hosts) known.push_back(host.name);
    return fail(ErrorKind::not_found,
                fmt::format(R"("{}": no traffic, host or "network" of that name{})", of,
                            did_you_mean(of, known)));
}

}  // namespace

LatencySummary LatencySummary::of(std::vector<std::int64_t> samples_ns) {
    if (samples_ns.empty()) return {};
    std::ranges::sort(samples_ns);
    const std::size_t count = samples_ns.size();
    // Nearest rank: the smallest sample that at least this share of all samples does not exceed.
    const auto percentile = [&](std::size_t per_mille) {
        return samples_ns[(per_mille * count + 999) / 1000 - 1];
    };
    const std::int64_t sum = std::accumulate(samples_ns.begin(), samples_ns.end(), std::int64_t{0});
    return {.count = count,
            .min_ns = samples_ns.front(),
            .p50_ns = percentile(500),
            .p90_ns = percentile(900),
            .p99_ns = percentile(990),
            .p999_ns = percentile(999),
            .max_ns = samples_ns.back(),
            .mean_ns = sum / static_cast<std::int64_t>(count)};
}

Result<double> metric(const RunReport& report, const std::string& of,
                      const std::string& metric_name) {
    if (std::ranges::find(report.unmeasured, metric_name) != report.unmeasured.end()) {
        return fail(ErrorKind::unavailable, fmt::format("{}: {}: the {} world does not measure it",
                                                        of, metric_name, report.world));
    }
    if (of == "network") return pick(metrics_of_network(report), of, metric_name);
    const auto flow = std::ranges::find(report.flows, of, &FlowReport::name);
    if (flow != report.flows.end()) return pick(metrics_of(*flow), of, metric_name);
    const auto host = std::ranges::find(report.hosts, of, &HostReport::name);
    if (host != report.hosts.end()) return pick(metrics_of(*host), of, metric_name);
    return nothing_called(report, of);
}

}  // namespace overlab
