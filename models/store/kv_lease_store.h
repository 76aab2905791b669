// KvLeaseStore: leases as flannel keeps them in etcd, over any KvStore.
//
//   <prefix>/config                  the network configuration
//   <prefix>/subnets/<lease key>     one lease, attached to an etcd lease; a reservation has none
//
// Who may write a lease key, and how:
//   acquire, new       create only if the key does not exist (version == 0)
//   acquire, reuse     replace only what was read (mod_revision ==); a lease that is unchanged is
//   not
//                      rewritten at all but kept alive, so a restarted cluster disturbs nobody
//   release            delete only what is still ours (mod_revision ==)
//   nobody             ever writes unconditionally: a stale owner cannot overwrite a new one
//
// Renewal keeps the same etcd lease alive and then compares mod_revision in a transaction without
// writes. flannel grants a new etcd lease and puts the same value again, once a day a host; each
// put is an event to every watcher, 25 million deliveries a day among 5,000 hosts, and all of them
// say nothing. A kept-alive lease is harmless to flannel nodes: they act on puts and deletions and
// never on the time to live of a peer. Keep-alive comes first and the comparison second, so that a
// success says: at the comparison the key was as we wrote it, attached to an etcd lease that lives
// from the keep-alive on. If the key was taken over meanwhile, the keep-alive only prolonged an
// etcd lease that owns no key of ours any more.
//
// Unknown outcomes (a write was sent, no answer came): read again. If the write is there, it is
// ours. If it is not, it may still be under way, so its etcd lease is revoked first, which makes a
// late arrival fail; only then does another attempt start.
//
// Left out: flannel's --subnet-lease-renew-margin (the node's business), authentication and TLS
// (the KvStore's), Kubernetes' annotations (another LeaseStore).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "models/base/error.h"
#include "models/base/rng.h"
#include "models/base/time.h"
#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "models/store/lease_decoder.h"

namespace overlab {

struct KvLeaseStoreOptions {
    std::string prefix = "/coreos.com/network";  ///< without a '/' at its end
    Duration lease_ttl = hours(24);
    std::uint64_t seed = 1;
    std::string host;  ///< names the random streams: `<host>/lease`
    /// Pauses after a lost race.
    Duration conflict_min = milliseconds(10), conflict_max = seconds(1);
    /// Pauses when the store does not answer; flannel's for its watch.
    Duration unavailable_min = milliseconds(100), unavailable_max = seconds(5);
    /// An acquisition reports `unavailable` after this many calls in a row without an answer, or
    /// after this many lost races (which only a defect elsewhere can cause).
    unsigned max_unanswered = 6, max_conflicts = 10'000;
};

class LeaseAcquisition;
class LeaseWatch;

class KvLeaseStore final : public LeaseStore {
   public:
    /// References must outlive the store. `decoder` is shared by all that read the same KvStore.
    KvLeaseStore(Runtime& runtime, KvStore& kv, LeaseDecoder& decoder, KvLeaseStoreOptions options);
    ~KvLeaseStore() override;
    KvLeaseStore(const KvLeaseStore&) = delete;
    KvLeaseStore& operator=(const KvLeaseStore&) = delete;

    void config(std::function<void(Result<std::string>)> done) override;
    void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous,
                 std::function<void(Result<HeldLease>)> done) override;
    void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) override;
    void release(const HeldLease& held, std::function<void(Result<void>)> done) override;
    void watch(std::function<void(LeaseUpdate)> update) override;

   private:
    /// `action` with this store, unless it is destroyed by then.
    template <typename Action>
    [[nodiscard]] auto while_alive(Action action) const;
    void check_held(const HeldLease& held, Instant expires,
                    std::function<void(Result<HeldLease>)> done);
    [[nodiscard]] std::string key_of(const LeaseSubnet& subnet) const;

    /// All leases as an acquisition read them: a watch that starts right after it goes on from
    /// there, which saves every starting host one reading of the whole cluster.
    struct Reading {
        KvRange range;
        LeasePtr own;
        Instant when;
    };

    Runtime& runtime_;
    KvStore& kv_;
    LeaseDecoder& decoder_;
    KvLeaseStoreOptions options_;
    Rng rng_;
    // shared_ptr: callbacks under way must learn that their asker is gone, without keeping it.
    std::map<std::uint64_t, std::shared_ptr<LeaseAcquisition>> acquisitions_;
    std::uint64_t last_acquisition_ = 0;
    std::shared_ptr<LeaseWatch> watch_;
    std::optional<Reading> last_reading_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace overlab
