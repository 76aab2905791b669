#include "models/invariant/store_plan.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "models/backends/vxlan_data.h"
#include "models/invariant/subnet_index.h"

namespace overlab {
namespace {

/// What the leases so far have claimed.
class Claimed {
   public:
    /// True if none of it was claimed; it is from now on, either way.
    bool claim(const Lease& lease, std::optional<std::uint64_t> identity) {
        bool free = addresses_.insert(lease.attributes.public_ip).second;
        if (identity) free = identities_.insert(*identity).second && free;
        subnets_.for_each_overlapping(lease.subnet, [&](int) { free = false; });
        subnets_.add(lease.subnet, 0);
        return free;
    }

   private:
    std::set<Ipv4Address> addresses_;
    std::set<std::uint64_t> identities_;
    SubnetIndex<int> subnets_;
};

}  // namespace

Result<StorePlan> StorePlan::of(const LiveLeases& leases, FilterOptions filter) {
    if (leases.network() == nullptr) {
        return fail(ErrorKind::not_found, "the store holds no readable configuration");
    }
    StorePlan plan;
    plan.network_ = *leases.network();
    plan.filter_ = filter;
    OVERLAB_TRY(plan.backend_, make_backend(plan.network_));
    for (const auto& [key, lease] : leases.all()) {
        if (!lease.attributes) continue;
        plan.leases_.insert_or_assign(lease.subnet, Lease{.subnet = lease.subnet,
                                                          .attributes = *lease.attributes,
                                                          .kv_lease = lease.kv_lease,
                                                          .mod_revision = lease.written});
    }
    return plan;
}

const Lease* StorePlan::find(const LeaseSubnet& subnet) const {
    const auto found = leases_.find(subnet);
    return found == leases_.end() ? nullptr : &found->second;
}

HostPlan StorePlan::plan(const HostFacts& facts, const LeaseSubnet& own,
                         const std::function<Reach(Ipv4Address)>& reach) const {
    LocalNode local{.host = facts, .subnet = own, .vtep_mac = {}};
    if (backend_->wants_vtep_mac()) {
        const auto published = parse_vxlan_data(find(own)->attributes.backend_data);
        if (published) local.vtep_mac = published->mac;
    }
    HostPlan made;
    std::vector<Row> rows = backend_->plan_local(local).rows;
    std::ranges::move(plan_filter(filter_, network_.network, own.v4), std::back_inserter(rows));
    Claimed claimed;
    for (const auto& [subnet, lease] : leases_) {
        if (subnet == own) continue;
        const Reach way =
            backend_->wants_reach() ? reach(lease.attributes.public_ip) : Reach::unknown;
        Plan peer = backend_->plan_peer(local, lease, way);
        if (!peer.unsupported.empty()) continue;
        if (!claimed.claim(lease, backend_->claimed_identity(lease))) continue;
        std::ranges::move(peer.rows, std::back_inserter(rows));
        made.peers.push_back(subnet);
    }
    made.rows = ForwardingState::of(std::move(rows));
    return made;
}

}  // namespace overlab
