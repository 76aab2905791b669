// What must hold of the store's leases at all times: lease_overlap, stale_owner, lease_leaked.
// Operators may do what they like: what they wrote is excused (docs/invariants.md).
#pragma once

#include <set>
#include <string>
#include <utility>

#include "models/invariant/invariant_monitor.h"
#include "models/invariant/live_leases.h"
#include "models/invariant/pending_windows.h"
#include "models/invariant/subnet_index.h"
#include "models/invariant/violation_log.h"

namespace overlab {

class StoreInvariants final : public LiveLeases::Listener {
   public:
    StoreInvariants(Runtime& runtime, const Scenario& scenario, const MonitoredCluster& cluster,
                    const LiveLeases& leases, Duration window, ViolationLog& log);

    void lease_put(const std::string& key, const LiveLease* before, const LiveLease& now) override;
    void lease_gone(const std::string& key, const LiveLease& before) override;
    void store_replaced();
    void fault_event() { overlaps_.restart(); }

    /// A time to live after the last fault: what nobody keeps must be gone.
    void check_leaks();

   private:
    using Pair = std::pair<std::string, std::string>;  ///< keys, the older lease's first

    void check_owner(const std::string& key, const LiveLease& before, const LiveLease& now);
    void check_etcd_lease(const std::string& key, const LiveLease* before, const LiveLease& now);
    void look_for_overlaps(const std::string& key, const LiveLease& now);
    [[nodiscard]] PendingWindows<Pair>::Verdict judge(const Pair& pair);
    [[nodiscard]] bool is_operators(const std::string& key, const std::string& value) const;
    [[nodiscard]] std::string host_with(const LiveLease& lease) const;
    void report(std::string_view invariant, std::string host, std::string what);

    Runtime* runtime_;
    const Scenario* scenario_;
    const MonitoredCluster* cluster_;
    const LiveLeases* leases_;
    ViolationLog* log_;
    std::set<Pair> written_by_operators_;  ///< key and value
    SubnetIndex<std::string> index_;
    PendingWindows<Pair> overlaps_;
};

}  // namespace overlab
