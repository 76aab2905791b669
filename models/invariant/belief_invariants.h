// What must hold of what nodes believe: belief_overlap, subnet_kept.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/invariant/invariant_monitor.h"
#include "models/invariant/live_leases.h"
#include "models/invariant/pending_windows.h"
#include "models/invariant/subnet_index.h"
#include "models/invariant/violation_log.h"

namespace overlab {

/// No two nodes that can know better hold overlapping leases for longer than the window.
class BeliefOverlap {
   public:
    BeliefOverlap(Runtime& runtime, const MonitoredCluster& cluster, Duration window,
                  ViolationLog& log);
    void node_changed(std::size_t host);
    void fault_event() { overlaps_.restart(); }

   private:
    using Pair = std::pair<std::size_t, std::size_t>;  ///< hosts, the lower first
    [[nodiscard]] PendingWindows<Pair>::Verdict judge(const Pair& pair);

    Runtime* runtime_;
    const MonitoredCluster* cluster_;
    ViolationLog* log_;
    Duration window_;
    std::vector<std::optional<LeaseSubnet>> beliefs_;
    SubnetIndex<std::size_t> index_;
    PendingWindows<Pair> overlaps_;
};

/// An agent that starts again gets the subnet of its lease that lives.
class SubnetKept {
   public:
    SubnetKept(Runtime& runtime, const MonitoredCluster& cluster, const LiveLeases& leases,
               ViolationLog& log);
    void agent_started(std::size_t host);
    void agent_stopped(std::size_t host);
    void node_changed(std::size_t host);
    void lease_put(const std::string& key, const LiveLease* before, const LiveLease& now);
    void lease_gone(const std::string& key);
    void store_replaced() { expected_.clear(); }

   private:
    Runtime* runtime_;
    const MonitoredCluster* cluster_;
    const LiveLeases* leases_;
    ViolationLog* log_;
    /// Of agents that have no lease yet: those that they may take, by key.
    std::map<std::size_t, std::map<std::string, LeaseSubnet>> expected_;
};

}  // namespace overlab
