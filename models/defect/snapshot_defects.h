// What goes wrong between what the store says of leases and configuration and what an agent makes
// of it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "models/defect/layers.h"
#include "models/node/callback_guard.h"

namespace overlab {

/// `malformed-empties`. One key under `subnets/` that is no lease, and flannel (measured at 0.28.9)
/// takes the reading for an empty one: two and a half minutes later the routes to all peers are
/// gone, though their leases are all there.
class MalformedEmpties final : public LeaseLayer {
   public:
    using LeaseLayer::LeaseLayer;
    void watch(std::function<void(LeaseUpdate)> update) override;
};

/// `snapshot-misses-changes`. When its watch starts anew, flannel compares the leases that it reads
/// with those that it remembers, by their subnets alone: a peer that came back with another address
/// or MAC counts as known, and keeps its old rows for ever.
class SnapshotMissesChanges final : public LeaseLayer {
   public:
    using LeaseLayer::LeaseLayer;
    void watch(std::function<void(LeaseUpdate)> update) override;

   private:
    void remember(LeaseUpdate& update);

    std::map<LeaseSubnet, LeasePtr> known_;
    CallbackGuard guard_;
};

/// `network-mtu-ignored`. The overlay's MTU is made from the interface's, whatever the network's
/// configuration says of the path: flannel had no MTU setting for VXLAN before its version 0.21.3
/// (its issues 1011, 1567 and 1620 are about paths that carry less than the interface).
class NetworkMtuIgnored final : public LeaseLayer {
   public:
    using LeaseLayer::LeaseLayer;
    void config(std::function<void(Result<std::string>)> done) override;
};

}  // namespace overlab
