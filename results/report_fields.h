// The fields of a RunReport and its parts, by their names in JSON. `visit(name, member)` is called
// for each; the writer and the reader are two visitors, so they cannot disagree. T may be const.
#pragma once

#include <concepts>
#include <type_traits>

#include "models/measure/run_report.h"

namespace overlab {

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, LatencySummary>
void visit_fields(T& latency, Visit&& visit) {
    visit("count", latency.count);
    visit("max_ns", latency.max_ns);
    visit("mean_ns", latency.mean_ns);
    visit("min_ns", latency.min_ns);
    visit("p50_ns", latency.p50_ns);
    visit("p90_ns", latency.p90_ns);
    visit("p999_ns", latency.p999_ns);
    visit("p99_ns", latency.p99_ns);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, OutageReport>
void visit_fields(T& outage, Visit&& visit) {
    visit("from_ns", outage.from_ns);
    visit("to_ns", outage.to_ns);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, FlowReport>
void visit_fields(T& flow, Visit&& visit) {
    visit("bytes_delivered", flow.bytes_delivered);
    visit("first_delivery_ns", flow.first_delivery_ns);
    visit("from", flow.from);
    visit("goodput_bps", flow.goodput_bps);
    visit("jitter_ns", flow.jitter_ns);
    visit("kind", flow.kind);
    visit("latency", flow.latency);
    visit("mss_bytes", flow.mss_bytes);
    visit("name", flow.name);
    visit("outages", flow.outages);
    visit("packets_lost", flow.packets_lost);
    visit("packets_received", flow.packets_received);
    visit("packets_sent", flow.packets_sent);
    visit("retransmits", flow.retransmits);
    visit("series_bytes", flow.series_bytes);
    visit("start_ns", flow.start_ns);
    visit("steady_goodput_bps", flow.steady_goodput_bps);
    visit("stop_ns", flow.stop_ns);
    visit("to", flow.to);
    visit("wire_bytes", flow.wire_bytes);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, HostReport>
void visit_fields(T& host, Visit&& visit) {
    visit("busiest_core_ns", host.busiest_core_ns);
    visit("converged_ns", host.converged_ns);
    visit("cpu_measured_ns", host.cpu_measured_ns);
    visit("cpu_ns", host.cpu_ns);
    visit("drops_packets", host.drops);
    visit("lease", host.lease);
    visit("lease_acquired_ns", host.lease_acquired_ns);
    visit("name", host.name);
    visit("overlay_mtu_bytes", host.overlay_mtu);
    visit("rows", host.rows);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, LinkReport>
void visit_fields(T& link, Visit&& visit) {
    visit("bytes", link.bytes);
    visit("frames", link.frames);
    visit("from", link.from);
    visit("largest_packet_bytes", link.largest_packet_bytes);
    visit("loss_drops", link.loss_drops);
    visit("mtu_drops", link.mtu_drops);
    visit("name", link.name);
    visit("queue_drops", link.queue_drops);
    visit("to", link.to);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, PairProblem>
void visit_fields(T& pair, Visit&& visit) {
    visit("from", pair.from);
    visit("to", pair.to);
    visit("why", pair.why);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, EventReport>
void visit_fields(T& event, Visit&& visit) {
    visit("at_ns", event.at_ns);
    visit("host", event.host);
    visit("what", event.what);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, FaultFlowReport>
void visit_fields(T& flow, Visit&& visit) {
    visit("blackhole_ns", flow.blackhole_ns);
    visit("flow", flow.flow);
    visit("from", flow.from);
    visit("packets_lost", flow.packets_lost);
    visit("survived", flow.survived);
    visit("to", flow.to);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, FaultReport>
void visit_fields(T& fault, Visit&& visit) {
    visit("at_ns", fault.at_ns);
    visit("blackhole_ns", fault.blackhole_ns);
    visit("clear_pod_bytes", fault.clear_pod_bytes);
    visit("converge_ns", fault.converge_ns);
    visit("detect_ns", fault.detect_ns);
    visit("flows", fault.flows);
    visit("flows_hit", fault.flows_hit);
    visit("flows_survived", fault.flows_survived);
    visit("healed_ns", fault.healed_ns);
    visit("name", fault.name);
    visit("packets_lost", fault.packets_lost);
    visit("rows_changed", fault.rows_changed);
    visit("store_messages", fault.store_messages);
    visit("what", fault.what);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, ViolationReport>
void visit_fields(T& violation, Visit&& visit) {
    visit("at_ns", violation.at_ns);
    visit("host", violation.host);
    visit("invariant", violation.invariant);
    visit("rows", violation.rows);
    visit("what", violation.what);
}

template <typename T, typename Visit>
    requires std::same_as<std::remove_const_t<T>, RunReport>
void visit_fields(T& report, Visit&& visit) {
    visit("backend", report.backend);
    visit("clear_pod_bytes", report.clear_pod_bytes);
    visit("converged_ns", report.converged_ns);
    visit("duration_ns", report.duration_ns);
    visit("events", report.events);
    visit("faults", report.faults);
    visit("first_connectivity_ns", report.first_connectivity_ns);
    visit("flows", report.flows);
    visit("forwarding", report.forwarding);
    visit("hosts", report.hosts);
    visit("invariants", report.invariants);
    visit("links", report.links);
    visit("overlay_mtu_bytes", report.overlay_mtu);
    visit("packet_hops", report.packet_hops);
    visit("scenario", report.scenario);
    visit("seed", report.seed);
    visit("series_step_ns", report.series_step_ns);
    visit("store_bytes", report.store_bytes);
    visit("store_messages", report.store_messages);
    visit("timeline", report.timeline);
    visit("unavailable", report.unavailable);
    visit("unmeasured", report.unmeasured);
    visit("unreachable", report.unreachable);
    visit("violations", report.violations);
    visit("virtual_time", report.virtual_time);
    visit("warnings", report.warnings);
    visit("world", report.world);
}

}  // namespace overlab
