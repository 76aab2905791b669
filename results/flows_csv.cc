#include "results/flows_csv.h"

#include <fmt/format.h>

#include <string_view>

namespace overlab {
namespace {

/// RFC 4180 §2: quoted if it holds a comma, a quote or a line break; quotes are doubled.
std::string field(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

constexpr std::string_view heading =
    "backend,world,seed,flow,kind,from,to,start_ns,stop_ns,bytes_delivered,goodput_bps,steady_"
    "goodput_"
    "bps,"
    "packets_sent,packets_received,packets_lost,retransmits,latency_count,latency_min_ns,latency_"
    "mean_ns,"
    "latency_p50_ns,latency_p90_ns,latency_p99_ns,latency_p999_ns,latency_max_ns,jitter_ns,"
    "first_delivery_ns,wire_bytes,mss_bytes\r\n";

std::string line(const RunReport& run, const FlowReport& flow) {
    const LatencySummary& latency = flow.latency;
    std::string out =
        fmt::format("{},{},{},{},{},{},{},", field(run.backend), field(run.world), run.seed,
                    field(flow.name), field(flow.kind), field(flow.from), field(flow.to));
    out +=
        fmt::format("{},{},{},{},{},{},{},{},{},", flow.start_ns, flow.stop_ns,
                    flow.bytes_delivered, flow.goodput_bps, flow.steady_goodput_bps,
                    flow.packets_sent, flow.packets_received, flow.packets_lost, flow.retransmits);
    out += fmt::format("{},{},{},{},{},{},{},{},", latency.count, latency.min_ns, latency.mean_ns,
                       latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns,
                       latency.max_ns);
    return out + fmt::format("{},{},{},{}\r\n", flow.jitter_ns, flow.first_delivery_ns,
                             flow.wire_bytes, flow.mss_bytes);
}

}  // namespace

std::string flows_csv(const std::vector<RunReport>& runs) {
    std::string out(heading);
    for (const RunReport& run : runs) {
        for (const FlowReport& flow : run.flows) out += line(run, flow);
    }
    return out;
}

}  // namespace overlab
