// LeaseAcquisition: one call of LeaseStore::acquire, from the first read to the lease.
//
//   read ---> choose --+-- unchanged lease of ours --> keep alive --> compare --> done
//    ^  ^              '-- reuse / previous / fresh --> grant --> write --+--> [look again] -->
//    done |  |                                                                | |  '---- back-off
//    <------- lost race (taken subnet remembered) <----+
//    '------- read, then fence <---------- no answer <-------------------'
//
// A lost race is not answered by reading everything again: the taken subnet is remembered, the
// window of candidates doubled, and another one drawn. When N hosts start at once, each needs about
// log2(N / 100) attempts, instead of N / 100 rounds of all of them reading all leases. Every eighth
// race it reads again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/lease/subnet_allocator.h"
#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "models/store/backoff.h"
#include "models/store/kv_lease_store.h"

namespace overlab {

class LeaseAcquisition : public std::enable_shared_from_this<LeaseAcquisition> {
   public:
    struct Request {
        NetworkConfig network;
        LeaseAttributes attributes;
        std::optional<LeaseSubnet> previous;
    };
    struct World {
        Runtime& runtime;
        KvStore& kv;
        LeaseDecoder& decoder;
        const KvLeaseStoreOptions& options;
        Rng& rng;
    };
    using Done = std::function<void(Result<HeldLease>)>;

    /// `done` is called once, last, and may destroy the acquisition. Destroying it earlier drops
    /// `done`.
    LeaseAcquisition(World world, Request request, Done done);

    void start() { read(); }

    /// The last complete reading of all leases; where a watch may go on from.
    [[nodiscard]] KvRange take_last_read() { return std::move(last_read_); }
    [[nodiscard]] Instant last_read_at() const { return last_read_at_; }

   private:
    struct Grant {
        KvLeaseId lease;
        Instant expires;
        Duration ttl;
    };
    struct Write {
        SubnetChoice choice;
        std::string key, value;
        KvLeaseId lease;  // 0: a reservation, stays one
    };
    using Step = std::function<void(LeaseAcquisition&)>;

    // Reading and choosing.
    void read();
    void read_answered(KvRange range);
    void note(const KeyValuePtr& entry);
    void choose();
    // An unchanged lease of ours.
    void prolong(const LeasePtr& existing);
    void compare_prolonged(const LeasePtr& existing, Instant expires);
    // Writing.
    void prepare(SubnetChoice choice);
    void with_grant();
    void write();
    void write_answered(Result<KvTxnResult> answer);
    void lost_race(const std::vector<KeyValuePtr>& current);
    void settle(Revision revision);
    void look_again(Revision revision);
    void looked_again(Revision revision, const KvRange& range);
    void yield();
    // Unknown outcome.
    [[nodiscard]] std::optional<Revision> own_write(const std::vector<KeyValuePtr>& entries) const;
    void fence();
    // Ends and pauses.
    void no_answer(const Error& error, Step again);
    void pause(Duration span, Step then);
    void finish(Result<HeldLease> answer);
    void again_after_race();
    [[nodiscard]] KvTxn transaction() const;
    [[nodiscard]] std::string key_of(const LeaseSubnet& subnet) const;

    /// `action` with the acquisition, unless it is gone by then.
    template <typename Action>
    [[nodiscard]] auto while_alive(Action action) {
        return [weak = weak_from_this(), action = std::move(action)](auto&&... arguments) mutable {
            // Held for the call: `done` may drop the last other reference.
            if (const auto self = weak.lock())
                action(*self, std::forward<decltype(arguments)>(arguments)...);
        };
    }

    World world_;
    Request request_;
    Done done_;
    Timer timer_;
    JitteredBackoff conflict_pause_, unavailable_pause_;
    unsigned conflicts_ = 0;   // in total
    unsigned unanswered_ = 0;  // in a row
    KvRange last_read_;
    Instant last_read_at_;
    TakenSubnets taken_;
    std::optional<Grant> grant_;
    std::optional<Write> write_;  // the attempt under way
    bool outcome_unknown_ = false;
    bool taken_is_stale_ = false;  // races were lost since the last read
};

}  // namespace overlab
