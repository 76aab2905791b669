// MvccStore: etcd v3's state machine as a value. No timers, no transport: every call that depends
// on time is given `now`, and servers (local_kv_store.h; sim/) put clocks, delays and watchers
// around it.
//
// Covered, as etcd 3.5 behaves:
//  - one store-wide revision, 1 when empty; each transaction that changes something takes the next
//  one, all
//    its changes share it; deleting an absent key changes nothing;
//  - create_revision, mod_revision, version (1 at creation, +1 a put, back to 1 after a delete);
//  - transactions: compares on version, create and mod revision and lease; a put that names an
//  unknown lease
//    fails the whole transaction; one key may not be changed twice in it ("duplicate key given in
//    txn request");
//  - leases: whole seconds, keep-alive starts the time anew; a put attaches its key to its lease
//  and
//    detaches it from the former one; revocation or expiry deletes the attached keys in key order
//    at one revision a lease, and takes no revision if there are none;
//  - history: ranges at an old revision and watches from an old revision, until compaction.
//  Compaction at R
//    keeps each key as it was at R and the events of R itself.
// Left out: ranges other than by prefix, nested transactions, value compares, previous values in
// events, members and elections (sim/ models those in time), quotas and authentication. etcd looks
// for expired leases twice a second; here they are gone at the very instant, whoever asks first.
//
// Invariants: the log is ordered by revision; a live key's last version is in `keys_`; a key is in
// exactly the lease's key set that its last version names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/ports/kv_store.h"

namespace overlab {

class MvccStore {
   public:
    /// The last revision taken; 1 for a store nobody wrote to.
    [[nodiscard]] Revision revision() const { return revision_; }
    /// The revision of the last compaction, 0 if there was none.
    [[nodiscard]] Revision compacted() const { return compacted_; }

    /// All keys that start with `prefix`, by key, as they are at `now`.
    [[nodiscard]] KvRange range(std::string_view prefix, Instant now);
    /// ... as they were at revision `at`. Errors: compacted; invalid_argument (not taken yet).
    [[nodiscard]] Result<KvRange> range_at(std::string_view prefix, Revision at) const;

    /// Errors, all without effect: invalid_argument (a key changed twice), not_found (a put names
    /// an unknown lease; looked at only if the compares hold).
    [[nodiscard]] Result<KvTxnResult> txn(const KvTxn& txn, Instant now);

    /// Errors: invalid_argument (not positive, or over a hundred years).
    [[nodiscard]] Result<KvLeaseId> grant(Duration ttl, Instant now);
    /// The time to live that starts at `now`. Errors: not_found.
    [[nodiscard]] Result<Duration> keep_alive(KvLeaseId lease, Instant now);
    /// Absent is success. Answers the store's revision.
    Revision revoke(KvLeaseId lease, Instant now);

    /// Ends every lease whose time is up, by time and then id. True if a key was deleted. The calls
    /// above do this first by themselves; a server calls it so that its watchers learn of expiry in
    /// time.
    bool expire(Instant now);
    /// When the next lease ends if nobody keeps it alive.
    [[nodiscard]] std::optional<Instant> next_expiry() const;
    [[nodiscard]] std::size_t lease_count() const { return leases_.size(); }
    /// Starts every lease's time to live anew, as etcd's lessor.Promote() does whenever a member
    /// becomes leader: after an election and after a restart.
    void restart_leases(Instant now);
    /// Becomes `held`: what a cluster holds that was made anew from a snapshot. Revisions go on
    /// from there, backwards if the snapshot is old; lease ids are never given twice, as etcd's,
    /// which are drawn from 63 bits.
    void restore(const MvccStore& held, Instant now);

    /// Forgets history before `at`. Errors: compacted (done already), invalid_argument (not taken
    /// yet).
    [[nodiscard]] Result<void> compact(Revision at);

    /// All events from revision `from` on, ordered; valid until the next call that is not const.
    /// Empty if `from` is yet to come. Errors: compacted.
    [[nodiscard]] Result<std::span<const KvEvent>> log_since(Revision from) const;

    /// What a watcher of `prefix` that has seen everything before `from` must be told: whole
    /// revisions, at least one and no more than reach `max_events`. `revision` is where it then
    /// stands, also when nothing under its prefix changed. Costs time by the events since `from`,
    /// not by the store's size. Errors: compacted.
    [[nodiscard]] Result<KvWatchUpdate> changes(
        std::string_view prefix, Revision from,
        std::size_t max_events = std::numeric_limits<std::size_t>::max()) const;

   private:
    struct Version {
        Revision revision = 0;
        KeyValuePtr entry;  // null: deleted at this revision
    };
    // Ascending by revision, never empty; no two neighbours are both deletions.
    using History = std::vector<Version>;

    struct LeaseRecord {
        Duration ttl;
        Instant expires;
        std::set<std::string> keys;
    };

    [[nodiscard]] const KeyValue* find(const std::string& key) const;
    [[nodiscard]] bool holds(const KvCompare& compare) const;
    [[nodiscard]] Result<void> check_writes(const KvTxn& txn) const;
    void put(const KvPut& put, Revision at);
    bool remove(const std::string& key, Revision at);
    void attach(const std::string& key, KvLeaseId from, KvLeaseId to);
    bool end_lease(std::map<KvLeaseId, LeaseRecord>::iterator lease);

    Revision revision_ = 1;
    Revision compacted_ = 0;
    std::int64_t last_lease_ = 0;
    std::map<std::string, History, std::less<>> keys_;
    std::vector<KvEvent> log_;
    std::map<KvLeaseId, LeaseRecord> leases_;
    std::set<std::pair<Instant, KvLeaseId>> expiries_;  // load-bearing order: time, then id
};

}  // namespace overlab
