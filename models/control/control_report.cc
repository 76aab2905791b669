// What a finished run of the control world has to say: ControlRun's state as a RunReport.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/control/control_run.h"
#include "models/scenario/flows.h"

namespace overlab {
namespace {

/// What takes packets, CPUs or wires.
constexpr const char* packets_only[] = {
    "busiest_core_ns",    "bytes_delivered", "clear_pod_bytes",
    "cpu_total_ns",       "drops_total",     "first_connectivity_ns",
    "first_delivery_ns",  "goodput_bps",     "jitter_ns",
    "latency_count",      "latency_max_ns",  "latency_mean_ns",
    "latency_min_ns",     "latency_p50_ns",  "latency_p90_ns",
    "latency_p99_ns",     "latency_p999_ns", "loss_ppm",
    "mss_bytes",          "packet_hops",     "packets_lost",
    "packets_received",   "packets_sent",    "retransmits",
    "steady_goodput_bps", "store_bytes",     "wire_bytes"};

}  // namespace

RunReport ControlRun::report(bool keep_forwarding) const {
    RunReport report;
    report.scenario = scenario_->name;
    report.backend = backend_name(scenario_->network.backend);
    report.world = "control";
    report.virtual_time = true;
    report.unmeasured.assign(std::begin(packets_only), std::end(packets_only));
    report.seed = seed_;
    report.duration_ns = scenario_->duration.ns;
    report.series_step_ns = series_step(scenario_->duration).ns;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        report.hosts.push_back(report_host(host));
        if (!keep_forwarding) continue;
        const ControlHost& machine = cluster_->host(host);
        report.forwarding[machine.name()] = machine.tables().dump(true).to_string();
    }
    report.unreachable = report_unreachable();
    report.violations = monitor_.violations();
    report.invariants = monitor_.checked();
    report.timeline = timeline_;
    report.warnings = warnings();
    report_totals(report);
    return report;
}

/// The rows have stood as planned for every peer since then; -1: they do not.
std::int64_t ControlRun::converged_since(std::size_t host) const {
    const ControlAgent* agent = cluster_->agent(host);
    if (agent == nullptr) return -1;
    const OverlayNode& node = agent->node();
    const bool complete = node.held().has_value() && node.converged() &&
                          node.peer_count() + 1 == cluster_->host_count();
    return complete ? cluster_->last_change(host).ns : -1;
}

HostReport ControlRun::report_host(std::size_t host) const {
    HostReport report;
    const ControlHost& machine = cluster_->host(host);
    report.name = machine.name();
    if (const ControlAgent* agent = cluster_->agent(host)) {
        if (const auto& held = agent->node().held()) report.lease = held->lease->subnet.to_string();
        report.overlay_mtu = agent->node().overlay_mtu();
    }
    if (const auto acquired = cluster_->lease_acquired(host)) {
        report.lease_acquired_ns = acquired->ns;
    }
    report.converged_ns = converged_since(host);
    report.rows = machine.tables().own_row_count();
    return report;
}

/// Pairs of hosts that cannot have a way: the node said why it planned none.
std::vector<PairProblem> ControlRun::report_unreachable() const {
    std::map<LeaseSubnet, std::string> owner;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const ControlAgent* agent = cluster_->agent(host);
        if (agent == nullptr || !agent->node().held()) continue;
        owner[agent->node().held()->lease->subnet] = cluster_->host(host).name();
    }
    std::vector<PairProblem> pairs;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const ControlAgent* agent = cluster_->agent(host);
        if (agent == nullptr) continue;
        for (const auto& [subnet, why] : agent->node().unsupported_peers()) {
            const auto found = owner.find(subnet);
            pairs.push_back({.from = cluster_->host(host).name(),
                             .to = found == owner.end() ? subnet.to_string() : found->second,
                             .why = why});
        }
    }
    return pairs;
}

void ControlRun::report_totals(RunReport& report) const {
    report.events = events_;
    report.store_messages = 2 * cluster_->store_calls();
    bool converged = true;
    for (const HostReport& host : report.hosts) {
        report.overlay_mtu = std::max(report.overlay_mtu, host.overlay_mtu);
        report.converged_ns = std::max(report.converged_ns, host.converged_ns);
        converged = converged && host.converged_ns >= 0;
    }
    if (!converged) report.converged_ns = -1;
}

/// What was asked for and is not modelled, and what went wrong quietly (docs/control-world.md).
std::vector<std::string> ControlRun::warnings() const {
    std::vector<std::string> all = ignored_changes(*scenario_);
    if (!scenario_->traffic.empty()) {
        all.emplace_back("traffic: no packet moves in the control world: flows are not run");
    }
    if (scenario_->network.enable_ipv6) {
        all.emplace_back("EnableIPv6: IPv6 prefixes are leased, but get no rows");
    }
    if (scenario_->store.members > 1) {
        all.emplace_back("store.members: one store in memory serves the control world");
    }
    std::size_t behind = 0;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        if (converged_since(host) < 0) ++behind;
    }
    if (behind > 0) {
        all.push_back(fmt::format("{} of {} nodes had not converged at the end of the run", behind,
                                  cluster_->host_count()));
    }
    if (unrecorded_ > 0) {
        all.push_back(fmt::format("{} further events are not in the timeline", unrecorded_));
    }
    return all;
}

}  // namespace overlab
