#include "models/invariant/quiet_time.h"

#include <algorithm>
#include <variant>

#include "models/invariant/invariant_monitor.h"

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;

// models/store/kv_lease_store.h: a jittered pause, and models/node: the keepers' longest.
constexpr Duration store_back_off = seconds(10);
constexpr Duration longest_retry = seconds(30);
constexpr Duration longest_renewal_pause = seconds(60);
constexpr Duration election = seconds(5);
// strongSwan: 30 s of silence, then five retransmissions that take 165 s; then a new handshake.
constexpr Duration dead_peer_detection = seconds(30 + 165 + 5);

bool needs_audit(Kind kind) {
    return kind == Kind::row_delete || kind == Kind::row_change || kind == Kind::vtep_mac;
}

/// A fault without an end: may the rest of the cluster be judged?
bool can_live_with(const FaultSpec& fault, const Scenario& scenario) {
    switch (fault.kind) {
        case Kind::host_crash:
            return std::ranges::find(fault.hosts, scenario.store.host) == fault.hosts.end();
        case Kind::agent_kill:
        case Kind::clock_skew:
            return true;
        default:
            return false;
    }
}

}  // namespace

Duration converge_bound(const Scenario& scenario) {
    Duration bound = scenario.sim.audit_interval + store_back_off + longest_retry +
                     longest_renewal_pause + election;
    if (std::holds_alternative<IpsecConfig>(scenario.network.backend)) {
        bound = bound + dead_peer_detection;
    }
    return bound;
}

QuietTime quiet_time(const Scenario& scenario) {
    std::size_t nodes = 0;
    for (const UnderlayNode& node : scenario.underlay.nodes) {
        if (node.kind == UnderlayNode::Kind::host && node.runs_node) ++nodes;
    }
    QuietTime quiet{.from = scenario.boot_spread, .gone = {}};
    for (const FaultSpec& fault : scenario.faults) {
        if (fault.at >= scenario.duration) continue;
        if (needs_audit(fault.kind) && scenario.sim.audit_interval <= Duration{}) {
            quiet.from.reset();  // nobody looks
        }
        const std::optional<Duration> healed = healed_at(fault, nodes);
        if (!healed && !can_live_with(fault, scenario)) quiet.from.reset();
        if (!quiet.from) return quiet;
        const bool for_good = !healed || *healed >= scenario.duration;
        if (for_good && (fault.kind == Kind::host_crash || fault.kind == Kind::agent_kill)) {
            quiet.gone.insert(fault.hosts.begin(), fault.hosts.end());
        }
        quiet.from = std::max(*quiet.from, healed.value_or(fault.at));
    }
    return quiet;
}

}  // namespace overlab
