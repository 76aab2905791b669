// StorePlan: what a host must hold, from what the store holds, by asking the backend anew about
// each lease; independent of how nodes keep their peers (models/node/peer_set.h). Of leases that
// claim one thing (an overlapping subnet, a public address, an identity) the lowest subnet wins.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "models/backends/backend.h"
#include "models/backends/filter_plan.h"
#include "models/invariant/live_leases.h"

namespace overlab {

struct HostPlan {
    ForwardingState rows;
    std::vector<LeaseSubnet> peers;  ///< those with rows, ascending
};

class StorePlan {
   public:
    /// Errors: not_found (no readable configuration), those of make_backend().
    [[nodiscard]] static Result<StorePlan> of(const LiveLeases& leases, FilterOptions filter);

    /// `own` must be a lease of the store. `reach` is asked only where the backend wants to know.
    [[nodiscard]] HostPlan plan(const HostFacts& facts, const LeaseSubnet& own,
                                const std::function<Reach(Ipv4Address)>& reach) const;
    /// Null: the store has no such lease.
    [[nodiscard]] const Lease* find(const LeaseSubnet& subnet) const;
    [[nodiscard]] std::size_t size() const { return leases_.size(); }

   private:
    NetworkConfig network_;
    FilterOptions filter_;
    std::unique_ptr<Backend> backend_;
    std::map<LeaseSubnet, Lease> leases_;
};

}  // namespace overlab
