// Reports as a small run would give them, for tests of what is made of reports.
#pragma once

#include <string>
#include <utility>

#include "models/measure/run_report.h"

namespace overlab::test {

inline FlowReport tcp_flow(std::string name, std::uint64_t goodput_bps) {
    FlowReport flow;
    flow.name = std::move(name);
    flow.kind = "tcp";
    flow.from = "client";
    flow.to = "server";
    flow.start_ns = 1'000'000'000;
    flow.stop_ns = 2'000'000'000;
    flow.bytes_delivered = goodput_bps / 8;
    flow.goodput_bps = goodput_bps;
    flow.first_delivery_ns = 1'000'050'000;
    flow.wire_bytes = flow.bytes_delivered + flow.bytes_delivered / 9;  // a tenth of the wire
    flow.mss_bytes = 1398;
    return flow;
}

inline FlowReport request_flow(std::string name, std::int64_t p50_ns, std::int64_t p99_ns) {
    FlowReport flow;
    flow.name = std::move(name);
    flow.kind = "request_response";
    flow.from = "client";
    flow.to = "server";
    flow.packets_sent = flow.packets_received = 1000;
    flow.latency = {.count = 1000,
                    .min_ns = p50_ns / 2,
                    .p50_ns = p50_ns,
                    .p90_ns = p50_ns,
                    .p99_ns = p99_ns,
                    .p999_ns = p99_ns,
                    .max_ns = p99_ns,
                    .mean_ns = p50_ns};
    flow.first_delivery_ns = 1'000'050'000;
    return flow;
}

inline RunReport report_of(std::string backend, std::uint64_t seed = 1) {
    RunReport report;
    report.scenario = "two-hosts";
    report.backend = std::move(backend);
    report.world = "sim";
    report.virtual_time = true;
    report.seed = seed;
    report.duration_ns = 2'000'000'000;
    report.overlay_mtu = 1450;
    report.converged_ns = 4'200'000;
    return report;
}

}  // namespace overlab::test
