#include "results/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

namespace overlab {
namespace {

using Better = ComparisonColumn::Better;
using Value = std::optional<double>;
using FlowValue = std::function<Value(const FlowReport&)>;

/// Up to so many flows of a kind have a column each.
constexpr std::size_t max_flow_columns = 3;

Value present(std::int64_t ns) { return ns < 0 ? std::nullopt : Value(static_cast<double>(ns)); }

bool is_datagram(const FlowReport& flow) { return flow.kind == "udp" || flow.kind == "on_off"; }
bool is_tcp(const FlowReport& flow) { return flow.kind == "tcp"; }
bool is_request(const FlowReport& flow) { return flow.kind == "request_response"; }

Value goodput(const FlowReport& flow) { return static_cast<double>(flow.goodput_bps); }

Value loss_percent(const FlowReport& flow) {
    if (flow.packets_sent == 0) return std::nullopt;
    return 100.0 * static_cast<double>(flow.packets_lost) / static_cast<double>(flow.packets_sent);
}

Value round_trip(const FlowReport& flow, std::int64_t LatencySummary::* percentile) {
    if (flow.latency.count == 0) return std::nullopt;
    return static_cast<double>(flow.latency.*percentile);
}

double sum(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
}
double largest(const std::vector<double>& values) { return *std::ranges::max_element(values); }

/// What a metric of flows is: its heading, which flows, one flow's value, and how many become one.
struct FlowMetric {
    std::string name;      ///< `goodput`
    std::string together;  ///< `goodput of all` for the one column of many flows
    Unit unit;
    Better better;
    bool (*wanted)(const FlowReport&);
    FlowValue value;
    double (*combine)(const std::vector<double>&);
};

void add_flow_columns(const RunReport& example, const FlowMetric& metric,
                      std::vector<ComparisonMetric>& out) {
    std::vector<std::string> names;
    for (const FlowReport& flow : example.flows) {
        if (metric.wanted(flow)) names.push_back(flow.name);
    }
    const auto column = [&](const std::string& who, const std::string& what) {
        return ComparisonColumn{.key = fmt::format("{}.{}", who, metric.name),
                                .heading = fmt::format("{}\n{}", who, what),
                                .unit = metric.unit,
                                .better = metric.better,
                                .with_difference = metric.unit != Unit::percent,
                                .absent = "-"};
    };
    if (names.size() > max_flow_columns) {
        const std::string who = fmt::format("{} flows", names.size());
        out.push_back({column(who, metric.together), [metric](const RunReport& run) -> Value {
                           std::vector<double> values;
                           for (const FlowReport& flow : run.flows) {
                               if (!metric.wanted(flow)) continue;
                               if (const Value value = metric.value(flow)) values.push_back(*value);
                           }
                           return values.empty() ? std::nullopt : Value(metric.combine(values));
                       }});
        return;
    }
    for (const std::string& name : names) {
        out.push_back({column(name, metric.name), [metric, name](const RunReport& run) -> Value {
                           const auto flow = std::ranges::find(run.flows, name, &FlowReport::name);
                           return flow == run.flows.end() ? std::nullopt : metric.value(*flow);
                       }});
    }
}

/// Bulk flows are those whose headers are worth counting: TCP if there is any, else datagrams.
bool is_bulk(const RunReport& run, const FlowReport& flow) {
    const bool any_tcp = std::ranges::any_of(run.flows, is_tcp);
    return any_tcp ? is_tcp(flow) : is_datagram(flow);
}

Value wire_overhead_percent(const RunReport& run) {
    std::uint64_t wire = 0;
    std::uint64_t payload = 0;
    for (const FlowReport& flow : run.flows) {
        if (!is_bulk(run, flow)) continue;
        wire += flow.wire_bytes;
        payload += flow.bytes_delivered;
    }
    if (wire == 0) return std::nullopt;
    return 100.0 * (static_cast<double>(wire) - static_cast<double>(payload)) /
           static_cast<double>(wire);
}

double cpu_ns(const RunReport& run) {
    std::int64_t total = 0;
    for (const HostReport& host : run.hosts) {
        total = std::accumulate(host.cpu_ns.begin(), host.cpu_ns.end(), total);
        // A kernel in virtual time counts the readings of its clock and no work.
        if (run.virtual_time) continue;
        for (const auto& [what, time_ns] : host.cpu_measured_ns) total += time_ns;
    }
    return static_cast<double>(total);
}

/// All hosts' CPU time over everything delivered; a scenario without bulk traffic counts packets
/// instead.
Value cpu_per_byte(const RunReport& run) {
    std::uint64_t bytes = 0;
    for (const FlowReport& flow : run.flows) bytes += flow.bytes_delivered;
    if (bytes == 0 || cpu_ns(run) == 0) return std::nullopt;
    return cpu_ns(run) / static_cast<double>(bytes);
}

Value cpu_per_packet(const RunReport& run) {
    std::uint64_t packets = 0;
    for (const FlowReport& flow : run.flows) packets += flow.packets_received;
    if (packets == 0 || cpu_ns(run) == 0) return std::nullopt;
    return cpu_ns(run) / static_cast<double>(packets);
}

void add_network_columns(const RunReport& example, std::vector<ComparisonMetric>& out) {
    out.push_back({{"network.overlay_mtu", "pod\nMTU", Unit::bytes, Better::higher, false, "-"},
                   [](const RunReport& run) -> Value {
                       return run.overlay_mtu == 0 ? std::nullopt : Value(run.overlay_mtu);
                   }});
    const bool bulk = std::ranges::any_of(
        example.flows, [](const auto& f) { return is_tcp(f) || is_datagram(f); });
    if (bulk) {
        out.push_back(
            {{"network.wire_overhead", "wire\noverhead", Unit::percent, Better::lower, false, "-"},
             wire_overhead_percent});
        out.push_back(
            {{"network.cpu", "CPU\nper byte", Unit::ns_per_byte, Better::lower, true, "-"},
             cpu_per_byte});
    } else if (!example.flows.empty()) {
        out.push_back(
            {{"network.cpu", "CPU\nper packet", Unit::ns_per_packet, Better::lower, true, "-"},
             cpu_per_packet});
    }
    out.push_back({{"network.converged", "boot to\nconverged", Unit::nanoseconds, Better::lower,
                    false, "never"},
                   [](const RunReport& run) { return present(run.converged_ns); }});
    out.push_back({{"network.unreachable_pairs", "unreachable\npairs", Unit::count, Better::lower,
                    false, "-"},
                   [](const RunReport& run) -> Value {
                       return static_cast<double>(run.unreachable.size());
                   }});
}

}  // namespace

std::vector<ComparisonMetric> comparison_metrics(const RunReport& example) {
    const auto percentile = [](std::int64_t LatencySummary::* member) -> FlowValue {
        return [member](const FlowReport& flow) { return round_trip(flow, member); };
    };
    std::vector<ComparisonMetric> metrics;
    add_flow_columns(
        example,
        {"goodput", "goodput in all", Unit::bits_per_second, Better::higher, is_tcp, goodput, sum},
        metrics);
    add_flow_columns(
        example,
        {"loss", "worst loss", Unit::percent, Better::lower, is_datagram, loss_percent, largest},
        metrics);
    add_flow_columns(example,
                     {"p50", "worst p50", Unit::nanoseconds, Better::lower, is_request,
                      percentile(&LatencySummary::p50_ns), largest},
                     metrics);
    add_flow_columns(example,
                     {"p99", "worst p99", Unit::nanoseconds, Better::lower, is_request,
                      percentile(&LatencySummary::p99_ns), largest},
                     metrics);
    add_network_columns(example, metrics);
    return metrics;
}

}  // namespace overlab
