// What a finished run measured: KernelWorld's state as a RunReport.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "models/scenario/flows.h"
#include "models/scenario/units.h"
#include "real/world/kernel_world.h"
#include "real/world/pinger.h"

namespace overlab::real {
namespace {

/// More hosts than this are not pinged pair by pair.
constexpr std::size_t max_pinged_hosts = 64;

}  // namespace

Result<RunReport> KernelWorld::report() {
    RunReport report;
    report.scenario = scenario_->name;
    report.backend = backend_name(scenario_->network.backend);
    report.world = "kernel";
    report.virtual_time = options_.kernel.virtual_time;
    report.seed = seed_;
    report.duration_ns = scenario_->duration.ns;
    report.series_step_ns = series_step(scenario_->duration).ns;
    // Pod bytes in clear would take a look into every packet; captures have them all.
    report.unmeasured = {"busiest_core_ns", "clear_pod_bytes", "drops_total", "events",
                         "wire_bytes"};
    if (options_.kernel.virtual_time) {
        for (const char* metric :
             {"cpu_agent_ns", "cpu_softirq_ns", "cpu_total_ns", "cpu_traffic_ns"})
            report.unmeasured.emplace_back(metric);
    }
    OVERLAB_TRY(report.links, lab_->link_reports());
    const Duration softirq = cpu_.softirq();
    if (!refresh_statuses()) note("", "an agent did not answer at the end of the run");
    if (!options_.capture_dir.empty()) {
        if (auto stopped = lab_->stop_captures(); !stopped) return std::unexpected(stopped.error());
    }
    for (const auto& traffic : traffic_) report.flows.push_back(traffic->report());
    for (const Agent& agent : agents_) {
        report.hosts.push_back(report_host(agent));
        if (options_.keep_forwarding && agent.status)
            report.forwarding[name_of(agent.host)] = agent.status->forwarding;
    }
    share_softirq(softirq, report);
    report.unreachable = report_unreachable();
    if (meter_) report.faults = meter_->finish(report.flows);
    report.timeline = timeline_;
    report.warnings = warnings();
    report_totals(report);
    return report;
}

/// The rows have stood as planned for every peer since then; -1: they do not.
std::int64_t KernelWorld::converged_since(const Agent& agent) const {
    if (!agent.status) return -1;
    const AgentStatus& status = *agent.status;
    const bool complete =
        !status.lease.empty() && status.converged && status.peers + 1 == agents_.size();
    return complete ? status.last_change_ns : -1;
}

HostReport KernelWorld::report_host(const Agent& agent) const {
    HostReport report;
    report.name = name_of(agent.host);
    report.converged_ns = converged_since(agent);
    if (agent.status) {
        report.lease = agent.status->lease;
        report.lease_acquired_ns = agent.status->lease_acquired_ns;
        report.overlay_mtu = agent.status->overlay_mtu;
        report.rows = agent.status->rows;
    }
    Duration agent_time = agent.spent;
    if (agent.process)
        agent_time = agent_time + CpuMeter::process_time(agent.process->process().pid());
    report.cpu_measured_ns["agent"] = agent_time.ns;
    Duration traffic_time;
    for (std::size_t i = 0; i < traffic_.size(); ++i) {
        const TrafficSpec& spec = scenario_->traffic[i];
        const TrafficCpu cpu = traffic_[i]->cpu();
        if (scenario_->pods[spec.from].host == agent.host)
            traffic_time = traffic_time + cpu.from_user + cpu.from_system;
        if (scenario_->pods[spec.to].host == agent.host)
            traffic_time = traffic_time + cpu.to_user + cpu.to_system;
    }
    report.cpu_measured_ns["traffic"] = traffic_time.ns;
    return report;
}

/// By the bytes on each host's own link.
void KernelWorld::share_softirq(Duration softirq, RunReport& report) {
    std::map<std::string, std::uint64_t> bytes;
    std::uint64_t total = 0;
    for (const HostReport& host : report.hosts) bytes[host.name] = 0;
    for (const LinkReport& link : report.links) {
        for (const std::string& end : {link.from, link.to}) {
            const auto host = bytes.find(end);
            if (host == bytes.end()) continue;
            host->second += link.bytes;
            total += link.bytes;
        }
    }
    for (HostReport& host : report.hosts) {
        const double share =
            total == 0 ? 0 : static_cast<double>(bytes[host.name]) / static_cast<double>(total);
        host.cpu_measured_ns["softirq"] =
            static_cast<std::int64_t>(static_cast<double>(softirq.ns) * share);
    }
}

/// A pod of each host that has any; none at all where there are too many hosts for every pair.
std::vector<PingEnd> KernelWorld::ping_ends() {
    std::map<NodeIndex, PingEnd> pod_of_host;
    for (std::size_t pod = 0; pod < scenario_->pods.size(); ++pod) {
        const NodeIndex host = scenario_->pods[pod].host;
        pod_of_host.try_emplace(host, PingEnd{.name = name_of(host),
                                              .netns = &lab_->pod(pod),
                                              .address = lab_->pod_address(pod)});
    }
    std::vector<PingEnd> ends;
    if (pod_of_host.size() > max_pinged_hosts) return ends;
    for (auto& [host, end] : pod_of_host) ends.push_back(std::move(end));
    return ends;
}

/// Who does not answer whom; why, the agent may know.
std::vector<PairProblem> KernelWorld::report_unreachable() {
    const std::vector<PingEnd> ends = ping_ends();
    const auto silent = unanswered_pings(ends);
    if (!silent) {
        note("", silent.error().what);
        return {};
    }
    std::map<std::string, std::string> host_of_lease;
    for (const Agent& agent : agents_) {
        if (agent.status) host_of_lease[agent.status->lease] = name_of(agent.host);
    }
    std::map<std::pair<std::string, std::string>, std::string> reasons;
    for (const Agent& agent : agents_) {
        if (!agent.status) continue;
        for (const auto& [subnet, why] : agent.status->unsupported)
            reasons[{name_of(agent.host), host_of_lease[subnet]}] = why;
    }
    std::vector<PairProblem> pairs;
    for (const auto& [from, to] : *silent) {
        const auto why = reasons.find({ends[from].name, ends[to].name});
        pairs.push_back({.from = ends[from].name,
                         .to = ends[to].name,
                         .why = why == reasons.end() ? "no answer to three pings" : why->second});
    }
    return pairs;
}

void KernelWorld::report_totals(RunReport& report) const {
    for (const LinkReport& link : report.links) report.packet_hops += link.frames;
    bool all_converged = true;
    for (const HostReport& host : report.hosts) {
        report.overlay_mtu = std::max(report.overlay_mtu, host.overlay_mtu);
        report.converged_ns = std::max(report.converged_ns, host.converged_ns);
        all_converged = all_converged && host.converged_ns >= 0;
    }
    if (!all_converged) report.converged_ns = -1;
    for (const Agent& agent : agents_) {
        if (!agent.status) continue;
        report.store_messages += agent.status->store_messages;
        report.store_bytes += agent.status->store_bytes;
    }
    report.first_connectivity_ns = first_connectivity_ns(*scenario_, report.flows);
}

std::vector<std::string> KernelWorld::warnings() {
    std::vector<std::string> all = lab_->warnings();
    if (options_.kernel.settle_first)
        all.emplace_back(
            "traffic and faults are timed from when every node had converged, not from boot");
    if (options_.kernel.virtual_time && scenario_->store.kind == StoreSpec::Kind::etcd) {
        all.push_back(fmt::format(
            "virtual time: etcd sleeps while nobody talks to it and looks at its leases every {}: "
            "they expire so much late at most",
            duration_text(quiet_span(scenario_->store.lease_ttl))));
    }
    if (scenario_->network.enable_ipv6)
        all.emplace_back("EnableIPv6: IPv6 prefixes are leased, but get no rows");
    if (scenario_->store.members > 1)
        all.emplace_back("store.members: one member runs in the kernel world");
    for (const auto& traffic : traffic_) {
        for (const std::string& warning : traffic->warnings()) all.push_back(warning);
    }
    const auto behind = std::ranges::count_if(
        agents_, [this](const Agent& agent) { return converged_since(agent) < 0; });
    if (behind > 0) {
        all.push_back(fmt::format("{} of {} nodes had not converged at the end of the run", behind,
                                  agents_.size()));
    }
    if (ping_ends().empty() && !scenario_->pods.empty()) {
        all.push_back(
            fmt::format("unreachable pairs were not looked for: more than {} hosts have pods",
                        max_pinged_hosts));
    }
    if (unrecorded_remarks_ > 0) {
        all.push_back(
            fmt::format("{} further events are not in the timeline", unrecorded_remarks_));
    }
    return all;
}

}  // namespace overlab::real
