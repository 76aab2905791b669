// What goes wrong when a lease is taken, kept and renewed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "models/base/rng.h"
#include "models/defect/layers.h"
#include "models/node/callback_guard.h"
#include "models/ports/runtime.h"
#include "models/store/kv_lease_store.h"

namespace overlab {

/// `no-conflict-retry` and `ten-conflict-tries`. How flannel takes a new lease: it reads all
/// leases, draws one of the first hundred free subnets, and creates its key if that does not exist
/// yet. When many nodes start at once they draw from the same hundred, and all but the first at
/// each subnet lose. flannel meant to try ten times, each time from the start; under etcd v3 the
/// loop compares with an error that nobody returns any more, so that the first lost race ends the
/// process, and its supervisor has to start it again.
class FewTries final : public LeaseLayer {
   public:
    struct Parts {
        Runtime* runtime = nullptr;
        KvStore* kv = nullptr;
        KvLeaseStoreOptions options;
        unsigned tries = 1;
        std::function<void(const std::string& why)> die;
    };
    FewTries(LeaseStore& below, Parts parts);

    void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous,
                 std::function<void(Result<HeldLease>)> done) override;

   private:
    struct Attempt;
    using AttemptPtr = std::shared_ptr<Attempt>;
    void read(const AttemptPtr& attempt);
    void draw(const AttemptPtr& attempt, const KvRange& leases);
    void create(const AttemptPtr& attempt, const LeaseSubnet& subnet, KvLeaseId lease);
    void created(const AttemptPtr& attempt, const LeaseSubnet& subnet, KvLeaseId lease,
                 const Result<KvTxnResult>& answer);

    Parts parts_;
    LeaseDecoder decoder_;
    Rng rng_;
    CallbackGuard guard_;
};

/// `unconditional-renew`. flannel renews by granting a new etcd lease and putting its value again,
/// with no comparison. If its lease ended while it was stalled, and somebody else took the subnet,
/// the put makes the record say that the old owner has it. And since its watch leaves its own
/// subnet out, nobody sees that there are two.
class UnconditionalRenew final : public LeaseLayer {
   public:
    struct Parts {
        Runtime* runtime = nullptr;
        KvStore* kv = nullptr;
        KvLeaseStoreOptions options;
    };
    UnconditionalRenew(LeaseStore& below, Parts parts);

    void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous,
                 std::function<void(Result<HeldLease>)> done) override;
    void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) override;
    void watch(std::function<void(LeaseUpdate)> update) override;

   private:
    void put(const HeldLease& held, KvLeaseId lease, Instant expires,
             std::function<void(Result<HeldLease>)> done);
    void leave_own_out(LeaseUpdate& update) const;

    Parts parts_;
    LeasePtr own_;
    CallbackGuard guard_;
};

/// `lost-lease-kept`. A node that was cut off for longer than its lease lives has lost its subnet,
/// perhaps to another. flannel of etcd v2's days logged that the renewal had failed, tried again a
/// minute later and went on as before (its issues 29, 205, 520 and 621 tell what follows when it
/// notices late: bridge and pods keep addresses of a subnet that is another node's).
class LostLeaseKept final : public LeaseLayer {
   public:
    LostLeaseKept(LeaseStore& below, Runtime& runtime, Duration lease_ttl);
    void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) override;

   private:
    Runtime* runtime_;
    Duration lease_ttl_;
};

}  // namespace overlab
