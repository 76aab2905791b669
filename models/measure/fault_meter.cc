#include "models/measure/fault_meter.h"

#include <algorithm>
#include <utility>

#include "models/measure/outage.h"

namespace overlab {
namespace {

__extension__ using Wide = __int128;

std::int64_t lost_of(const FaultCounters& counters, std::size_t flow) {
    return flow < counters.packets_lost.size() ? counters.packets_lost[flow] : -1;
}

/// Packets that were due in `outage_ns`, of a flow that sends evenly; -1 of one that does not.
std::int64_t due_in(std::int64_t outage_ns, const FlowReport& flow, const TrafficSpec& spec) {
    const bool paced =
        spec.kind == TrafficSpec::Kind::udp || (spec.kind == TrafficSpec::Kind::request_response &&
                                                !spec.over_tcp && spec.interval > Duration{});
    const std::int64_t length_ns = flow.stop_ns - flow.start_ns;
    if (!paced || flow.packets_sent == 0 || length_ns <= 0) return -1;
    const Wide due = Wide{outage_ns} * static_cast<Wide>(flow.packets_sent) / length_ns;
    return std::min(static_cast<std::int64_t>(due), static_cast<std::int64_t>(flow.packets_lost));
}

}  // namespace

FaultMeter::FaultMeter(const Runtime& runtime, const Scenario& scenario, Sample sample,
                       Instant origin)
    : runtime_(runtime),
      scenario_(scenario),
      sample_(std::move(sample)),
      origin_(origin),
      faults_(scenario.faults.size()) {}

void FaultMeter::fault_began(std::size_t fault, const std::string& what) {
    if (windows_.empty() || windows_.back().from_ns != now_ns()) {
        windows_.push_back({.from_ns = now_ns(), .at_start = sample_()});
    }
    faults_.at(fault) = {.window = windows_.size() - 1, .what = what, .at_ns = now_ns()};
}

void FaultMeter::fault_ended(std::size_t fault, const std::string& /*what*/) {
    faults_.at(fault).healed_ns = now_ns();
}

void FaultMeter::reacted(std::size_t /*host*/) {
    if (windows_.empty() || windows_.back().reacted_ns >= 0) return;
    windows_.back().reacted_ns = now_ns();
}

void FaultMeter::rows_changed(std::uint64_t count) {
    if (count == 0 || windows_.empty()) return;
    windows_.back().rows += count;
}

void FaultMeter::converged(bool now) {
    const bool before = !turns_.empty() && turns_.back().converged;
    if (now != before) turns_.push_back({now_ns(), now});
}

/// The state just before the next fault began after this one had healed, or at the end, is what it
/// came to; it came to it with the last turn before that.
std::int64_t FaultMeter::converge_ns(const Fault& fault) const {
    if (fault.healed_ns < 0) return -1;
    const auto next = std::ranges::find_if(
        windows_, [&](const Window& window) { return window.from_ns > fault.healed_ns; });
    std::optional<Turn> last;
    for (const Turn& turn : turns_) {
        if (next == windows_.end() || turn.at_ns < next->from_ns) last = turn;
    }
    if (!last || !last->converged) return -1;
    return std::max<std::int64_t>(last->at_ns - fault.healed_ns, 0);
}

std::optional<std::size_t> FaultMeter::cause_of(const OutageReport& outage,
                                                Duration threshold) const {
    std::optional<std::size_t> window;
    for (std::size_t i = 0; i < windows_.size(); ++i) {
        const std::int64_t began_ns = windows_[i].from_ns;
        if (began_ns <= outage.from_ns) {
            window = i;
        } else if (began_ns <= outage.from_ns + threshold.ns) {
            return i;
        }
    }
    return window;
}

std::vector<FaultFlowReport> FaultMeter::flows_of(std::size_t window,
                                                  const std::vector<FlowReport>& flows,
                                                  const FaultCounters& end) const {
    std::vector<FaultFlowReport> hit;
    for (const FlowReport& flow : flows) {
        const auto spec = std::ranges::find(scenario_.traffic, flow.name, &TrafficSpec::name);
        if (spec == scenario_.traffic.end()) continue;
        FaultFlowReport report{.flow = flow.name, .from = flow.from, .to = flow.to};
        bool any = false;
        for (const OutageReport& outage : flow.outages) {
            if (cause_of(outage, outage_threshold(*spec)) != window) continue;
            const std::int64_t to_ns = outage.to_ns < 0 ? flow.stop_ns : outage.to_ns;
            report.blackhole_ns += to_ns - std::max(outage.from_ns, windows_[window].from_ns);
            report.survived = outage.to_ns >= 0;
            any = true;
        }
        const auto index = static_cast<std::size_t>(spec - scenario_.traffic.begin());
        const std::int64_t before = lost_of(windows_[window].at_start, index);
        const std::int64_t after = lost_of(end, index);
        if (after >= 0) {
            report.packets_lost =
                std::max<std::int64_t>(after - std::max<std::int64_t>(before, 0), 0);
        } else {
            report.packets_lost = due_in(report.blackhole_ns, flow, *spec);
        }
        if (any || report.packets_lost > 0) hit.push_back(std::move(report));
    }
    std::ranges::sort(hit, {}, &FaultFlowReport::flow);
    return hit;
}

std::vector<FaultReport> FaultMeter::finish(const std::vector<FlowReport>& flows) {
    const FaultCounters last = windows_.empty() ? FaultCounters{} : sample_();
    std::vector<FaultReport> reports;
    for (std::size_t i = 0; i < faults_.size(); ++i) {
        const Fault& fault = faults_[i];
        const FaultSpec& spec = scenario_.faults[i];
        FaultReport report{.name = spec.name, .what = fault.what, .at_ns = spec.at.ns};
        if (!fault.window) {  // the run was over before
            report.what = describe(spec, scenario_);
            reports.push_back(std::move(report));
            continue;
        }
        const Window& window = windows_[*fault.window];
        const bool final = *fault.window + 1 == windows_.size();
        const FaultCounters& end = final ? last : windows_[*fault.window + 1].at_start;
        report.at_ns = fault.at_ns;
        report.healed_ns = fault.healed_ns;
        report.detect_ns = window.reacted_ns < 0 ? -1 : window.reacted_ns - fault.at_ns;
        report.converge_ns = converge_ns(fault);
        report.rows_changed = window.rows;
        report.store_messages = end.store_messages - window.at_start.store_messages;
        report.clear_pod_bytes = end.clear_pod_bytes - window.at_start.clear_pod_bytes;
        report.flows = flows_of(*fault.window, flows, end);
        for (const FaultFlowReport& flow : report.flows) {
            report.blackhole_ns = std::max(report.blackhole_ns, flow.blackhole_ns);
            report.packets_lost += std::max<std::int64_t>(flow.packets_lost, 0);
            report.flows_survived += flow.survived ? 1 : 0;
        }
        report.flows_hit = report.flows.size();
        reports.push_back(std::move(report));
    }
    return reports;
}

}  // namespace overlab
