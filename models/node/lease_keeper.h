// LeaseKeeper: gets a lease and keeps it.
//
//   idle -> acquiring -> held -+-> (not ours any more) -> idle, and the owner is told
//             ^    |           '-> renewed in time      -> held
//             '----' refused or no answer: again after a pause
//
// Renewal is compare-and-swap in the store, so that it is also the question whether the lease is
// still ours: a doubt (the watch saw the key go or change) is settled by renewing at once, never by
// trusting an event that may be older than our own last write.
#pragma once

#include <functional>
#include <optional>

#include "models/node/backoff.h"
#include "models/node/callback_guard.h"
#include "models/node/overlay_node.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"

namespace overlab {

class LeaseKeeper {
   public:
    struct Events {
        std::function<void(const HeldLease&)> acquired;
        std::function<void()> lost;
    };

    /// References must outlive the keeper.
    LeaseKeeper(Runtime& runtime, LeaseStore& store, NodeObserver& observer,
                const NodeOptions& options, Events events);

    /// Asks until there is a lease. Must not hold one.
    void acquire(NetworkConfig network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous);
    /// The lease may not be ours any more. Without one: nothing.
    void doubt();
    void stop();

    [[nodiscard]] const std::optional<HeldLease>& held() const { return held_; }

   private:
    void ask();
    void answered(Result<HeldLease> answer);
    void plan_renewal();
    void renew();
    void renewed(Result<HeldLease> answer);
    void renewal_unanswered(const Error& error);
    void lose(const Error& error);

    Runtime* runtime_;
    LeaseStore* store_;
    NodeObserver* observer_;
    Duration margin_;
    Events events_;
    Backoff backoff_;
    Timer timer_;
    NetworkConfig network_;
    LeaseAttributes attributes_;
    std::optional<LeaseSubnet> previous_;
    std::optional<HeldLease> held_;
    Duration time_to_live_;
    bool renewing_ = false;
    bool doubted_while_renewing_ = false;
    CallbackGuard guard_;
};

}  // namespace overlab
