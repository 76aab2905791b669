// LeaseStore: leases over a store. One implementation of the etcd flavour (store/kv_lease_store.h)
// serves every world; a Kubernetes flavour would be another.
//
// Every call is asynchronous; destroying the store drops pending callbacks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/lease/lease.h"
#include "models/lease/network_config.h"

namespace overlab {

/// A lease we hold, and until when it lives if we do nothing (by our own clock).
struct HeldLease {
    LeasePtr lease;
    Instant expires;  ///< meaningless for a reservation
    bool reservation = false;
};

/// The set of leases moved. Either a complete picture, or what changed since the last update.
struct LeaseUpdate {
    bool snapshot = false;             ///< true: `added` is the complete set; forget all others
    std::vector<LeasePtr> added;       ///< new or changed, in store order
    std::vector<LeaseSubnet> removed;  ///< may name leases that were never added
    /// Entries that are no leases: reported, otherwise ignored. A lease that was rewritten as one
    /// is in `removed` too, since a snapshot would not hold it.
    std::vector<std::string> malformed;
};

class LeaseStore {
   public:
    virtual ~LeaseStore() = default;

    /// The network configuration's JSON text. Errors: not_found (nobody wrote one yet),
    /// unavailable.
    virtual void config(std::function<void(Result<std::string>)> done) = 0;

    /// A lease for `attributes.public_ip`: (1) one that carries our public address, if it fits the
    /// configuration; (2) `previous`, if nobody holds it; (3) a seeded draw among the first 100
    /// free subnets. A lost race is retried with back-off (never an error). A reservation stays
    /// one. Errors: out_of_space, unavailable.
    virtual void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                         std::optional<LeaseSubnet> previous,
                         std::function<void(Result<HeldLease>)> done) = 0;

    /// Prolongs `held` by compare-and-swap on its revision. Errors: already_exists (the key was
    /// rewritten by somebody else), not_found (it expired), unavailable.
    virtual void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) = 0;

    /// Gives the lease back; only if it is still ours. Absent is success.
    virtual void release(const HeldLease& held, std::function<void(Result<void>)> done) = 0;

    /// Starts (or restarts) the one watch: a snapshot first, then changes. Broken streams and
    /// compaction are mended inside (resume, or a fresh snapshot). Own leases are included.
    virtual void watch(std::function<void(LeaseUpdate)> update) = 0;
};

}  // namespace overlab
