#include "models/fuzz/cluster_surgery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "models/base/check.h"

namespace overlab {
namespace {

/// Closes the gap that `removed` leaves.
void renumber(std::size_t& index, std::size_t removed) {
    if (index > removed) --index;
}

std::size_t link_of(const Underlay& underlay, std::size_t host) {
    const auto link = std::ranges::find_if(
        underlay.links, [&](const UnderlayLink& l) { return l.a == host || l.b == host; });
    CHECK(link != underlay.links.end());
    return static_cast<std::size_t>(link - underlay.links.begin());
}

void remove_from_underlay(Underlay& underlay, std::size_t host, std::size_t link) {
    underlay.links.erase(underlay.links.begin() + static_cast<std::ptrdiff_t>(link));
    underlay.nodes.erase(underlay.nodes.begin() + static_cast<std::ptrdiff_t>(host));
    for (UnderlayLink& other : underlay.links) {
        renumber(other.a, host);
        renumber(other.b, host);
    }
}

void remove_pods(Scenario& scenario, std::size_t host) {
    for (std::size_t pod = scenario.pods.size(); pod-- > 0;) {
        if (scenario.pods[pod].host != host) continue;
        scenario.pods.erase(scenario.pods.begin() + static_cast<std::ptrdiff_t>(pod));
        std::erase_if(scenario.traffic, [pod](const TrafficSpec& flow) {
            return flow.from == pod || flow.to == pod;
        });
        for (TrafficSpec& flow : scenario.traffic) {
            renumber(flow.from, pod);
            renumber(flow.to, pod);
        }
    }
    for (PodSpec& pod : scenario.pods) renumber(pod.host, host);
}

bool is_about_link(const FaultSpec& fault) {
    return fault.kind == FaultSpec::Kind::link_down || fault.kind == FaultSpec::Kind::link_change;
}

/// False if nothing is left of it.
bool remove_from_fault(FaultSpec& fault, std::size_t host, std::size_t link) {
    if (is_about_link(fault)) {
        if (fault.link == link) return false;
        renumber(fault.link, link);
        return true;
    }
    const bool named_hosts = !fault.hosts.empty();
    std::erase(fault.hosts, host);
    if (named_hosts && fault.hosts.empty()) return false;
    for (std::size_t& other : fault.hosts) renumber(other, host);
    if (fault.peer == host) return false;
    if (fault.peer) renumber(*fault.peer, host);
    if (fault.kind != FaultSpec::Kind::foreign_route) return true;
    if (fault.via == host) return false;
    renumber(fault.via, host);
    return true;
}

}  // namespace

Scenario without_host(const Scenario& scenario, std::size_t host) {
    Scenario less = scenario;
    const std::size_t link = link_of(scenario.underlay, host);
    std::erase_if(less.faults,
                  [&](FaultSpec& fault) { return !remove_from_fault(fault, host, link); });
    remove_pods(less, host);
    remove_from_underlay(less.underlay, host, link);
    renumber(less.store.host, host);
    number_faults(less);
    return less;
}

void number_faults(Scenario& scenario) {
    std::ranges::stable_sort(scenario.faults, {}, &FaultSpec::at);
    for (std::size_t i = 0; i < scenario.faults.size(); ++i)
        scenario.faults[i].name = fmt::format("fault-{}", i + 1);
}

}  // namespace overlab
