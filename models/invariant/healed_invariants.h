// What must hold a while after the last fault is over: converged, delivered, spi_unique.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/invariant/invariant_monitor.h"
#include "models/invariant/live_leases.h"
#include "models/invariant/store_plan.h"
#include "models/invariant/violation_log.h"
#include "models/invariant/walk_invariants.h"

namespace overlab {

class HealedInvariants {
   public:
    /// `gone`: underlay nodes that have no agent any more. Hosts and references must outlive it.
    HealedInvariants(Runtime& runtime, const Scenario& scenario, const MonitoredCluster& cluster,
                     const LiveLeases& leases, const InvariantOptions& options,
                     std::set<std::size_t> gone, ForwardingLoops& loops, ViolationLog& log);
    void check();

   private:
    /// What a check has found out, by host.
    struct Standing {
        LeaseSubnet subnet;
        std::set<LeaseSubnet> peers;
    };
    using Standings = std::map<std::size_t, Standing>;

    [[nodiscard]] bool has_its_lease(const MonitoredHost& host, const StorePlan& plan);
    void compare_rows(std::size_t number, const MonitoredHost& host, const StorePlan& plan,
                      Standings& standings);
    void check_delivery(const Standings& standings);
    void judge_walk(const PacketWalk& walks, const WalkedPair& pair, const Standings& standings);
    void check_spis();
    void report(std::string_view invariant, std::string host, std::string what,
                std::vector<std::string> rows = {});

    Runtime* runtime_;
    const Scenario* scenario_;
    const MonitoredCluster* cluster_;
    const LiveLeases* leases_;
    InvariantOptions options_;
    std::set<std::size_t> gone_;
    ForwardingLoops* loops_;
    ViolationLog* log_;
    Rng rng_;
};

}  // namespace overlab
