// What a finished run measured: SimWorld's state as a RunReport.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/scenario/flows.h"
#include "sim/sim_world.h"

namespace overlab::sim {
namespace {

std::string network_backend_name(const Scenario& scenario) {
    return std::string(backend_name(scenario.network.backend));
}

}  // namespace

RunReport SimWorld::report() const {
    RunReport report;
    report.scenario = scenario_->name;
    report.backend = network_backend_name(*scenario_);
    report.world = "sim";
    report.virtual_time = true;
    report.seed = seed_;
    report.duration_ns = scenario_->duration.ns;
    report.series_step_ns = series_step(scenario_->duration).ns;
    report.flows = report_flows();
    for (const auto& program : programs_) {
        report.hosts.push_back(report_host(*program));
        if (options_.keep_forwarding) {
            SimHost& host = program->host();
            report.forwarding[host.host_name()] = host.tables().dump(true).to_string();
        }
    }
    report.links = report_links();
    report.unreachable = report_unreachable();
    report.timeline = timeline_;
    report.warnings = warnings();
    report_totals(report);
    return report;
}

/// The rows have stood as planned for every peer since then; -1: they do not.
std::int64_t SimWorld::converged_since(const HostProgram& program) const {
    const OverlayNode& node = program.node();
    const bool complete =
        node.held().has_value() && node.converged() && node.peer_count() + 1 == programs_.size();
    return complete ? program.last_change().ns : -1;
}

HostReport SimWorld::report_host(HostProgram& program) const {
    SimHost& host = program.host();
    HostReport report;
    report.name = host.host_name();
    if (const auto& held = program.node().held()) report.lease = held->lease->subnet.to_string();
    if (program.lease_acquired()) report.lease_acquired_ns = program.lease_acquired()->ns;
    report.converged_ns = converged_since(program);
    report.overlay_mtu = program.node().overlay_mtu();
    report.rows = host.tables().own_row_count();
    report.cpu_ns = host.cpu().used_ns();
    report.busiest_core_ns = host.cpu().busiest_core_ns();
    for (std::size_t i = 0; i < static_cast<std::size_t>(DropReason::count); ++i) {
        const auto reason = static_cast<DropReason>(i);
        if (host.drops(reason) > 0)
            report.drops[std::string(to_string(reason))] = host.drops(reason);
    }
    return report;
}

std::vector<LinkReport> SimWorld::report_links() const {
    std::vector<LinkReport> links;
    const Underlay& underlay = scenario_->underlay;
    for (LinkId id = 0; id < underlay.links.size(); ++id) {
        for (const bool from_a : {true, false}) {
            const LinkCounters& counters = network_->transmitter(id, from_a).counters();
            const UnderlayLink& link = underlay.links[id];
            links.push_back({.name = link.name,
                             .from = underlay.nodes[from_a ? link.a : link.b].name,
                             .to = underlay.nodes[from_a ? link.b : link.a].name,
                             .frames = counters.packets,
                             .bytes = counters.bytes,
                             .queue_drops = counters.queue_drops,
                             .loss_drops = counters.loss_drops,
                             .mtu_drops = counters.mtu_drops,
                             .largest_packet_bytes = counters.largest_packet_bytes});
        }
    }
    return links;
}

std::vector<FlowReport> SimWorld::report_flows() const {
    std::vector<FlowReport> flows;
    for (std::size_t i = 0; i < traffic_.size(); ++i) {
        flows.push_back(traffic_[i]->report());
        flows.back().wire_bytes = network_->wire_bytes_by_flow()[i + 1];
    }
    return flows;
}

/// Pairs of hosts that cannot have a way: the node said why it planned none.
std::vector<PairProblem> SimWorld::report_unreachable() const {
    std::map<LeaseSubnet, std::string> owner;
    for (const auto& program : programs_) {
        if (const auto& held = program->node().held()) {
            owner[held->lease->subnet] = program->host().host_name();
        }
    }
    std::vector<PairProblem> pairs;
    for (const auto& program : programs_) {
        for (const auto& [subnet, why] : program->node().unsupported_peers()) {
            const auto found = owner.find(subnet);
            pairs.push_back({.from = program->host().host_name(),
                             .to = found == owner.end() ? subnet.to_string() : found->second,
                             .why = why});
        }
    }
    return pairs;
}

void SimWorld::report_totals(RunReport& report) const {
    report.events = engine_.event_count();
    for (const LinkReport& link : report.links) report.packet_hops += link.frames;
    for (const auto& program : programs_) {
        report.overlay_mtu = std::max(report.overlay_mtu, program->node().overlay_mtu());
        report.clear_pod_bytes += program->host().clear_pod_bytes();
    }
    const StreamCounters& store = store_->stream_counters();
    report.store_messages = store.messages_sent + store.messages_received;
    report.store_bytes = store.bytes_sent;
    for (const auto& program : programs_) {
        report.store_bytes += program->store_counters().bytes_sent;
    }
    if (converged()) {
        for (const HostReport& host : report.hosts) {
            report.converged_ns = std::max(report.converged_ns, host.converged_ns);
        }
    }
    report.first_connectivity_ns = first_connectivity_ns(*scenario_, report.flows);
}

/// What was asked for and is not modelled, and what went wrong quietly (docs/limitations.md).
std::vector<std::string> SimWorld::warnings() const {
    std::vector<std::string> all;
    if (scenario_->network.enable_ipv6) {
        all.emplace_back("EnableIPv6: IPv6 prefixes are leased, but IPv6 traffic is not simulated");
    }
    if (const auto* vxlan = std::get_if<VxlanConfig>(&scenario_->network.backend)) {
        if (vxlan->gbp) all.emplace_back("vxlan GBP: accepted, not simulated");
        if (vxlan->learning) all.emplace_back("vxlan Learning: accepted, not simulated");
    }
    for (const auto& traffic : traffic_) {
        for (const std::string& remark : traffic->remarks()) all.push_back(remark);
    }
    if (!converged()) {
        const auto behind = std::ranges::count_if(
            programs_, [&](const auto& program) { return converged_since(*program) < 0; });
        all.push_back(fmt::format("{} of {} nodes had not converged at the end of the run", behind,
                                  programs_.size()));
    }
    if (unrecorded_remarks_ > 0) {
        all.push_back(
            fmt::format("{} further events are not in the timeline", unrecorded_remarks_));
    }
    return all;
}

}  // namespace overlab::sim
