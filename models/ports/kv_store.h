// KvStore: etcd v3's semantics as a port. Implementations: the in-memory MvccStore behind a direct
// client (tests, embedded), the same store behind simulated packets (sim/), etcd itself (real/).
//
// Every call is asynchronous: the callback runs later, never inside the call. Destroying the client
// drops its pending callbacks and its watches: none runs afterwards.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"

namespace overlab {

using Revision = std::int64_t;  ///< etcd's store-wide revision; a fresh store is at 1

struct KvLeaseId {
    std::int64_t value = 0;  ///< 0: no lease, the key lives until deleted
    friend auto operator<=>(KvLeaseId, KvLeaseId) = default;
};

/// One key as stored. Shared and immutable, so that a watch event costs its thousand watchers no
/// copy.
struct KeyValue {
    std::string key;
    std::string value;
    Revision create_revision = 0;
    Revision mod_revision = 0;
    std::int64_t version = 0;  ///< 1 at creation, +1 at each put
    KvLeaseId lease;

    friend bool operator==(const KeyValue&, const KeyValue&) = default;
};
using KeyValuePtr = std::shared_ptr<const KeyValue>;

/// A condition on one key; an absent key has version, create and mod revision 0 and lease 0.
struct KvCompare {
    enum class Target : std::uint8_t { version, create_revision, mod_revision, lease };
    std::string key;
    Target target = Target::version;
    std::int64_t equals = 0;
};

struct KvPut {
    std::string key;
    std::string value;
    KvLeaseId lease;
};

struct KvDelete {
    std::string key;
};

/// If every compare holds, apply `puts` and then `deletes` at one new revision; else change
/// nothing. On failure `current` holds the compared keys that exist (etcd's else-branch of range
/// requests).
struct KvTxn {
    std::vector<KvCompare> compares;
    std::vector<KvPut> puts;
    std::vector<KvDelete> deletes;
};

struct KvTxnResult {
    bool succeeded = false;
    Revision revision = 0;  ///< the store's revision after the transaction
    std::vector<KeyValuePtr> current;
};

struct KvRange {
    Revision revision = 0;             ///< the revision the answer is true at
    std::vector<KeyValuePtr> entries;  ///< ordered by key
};

struct KvEvent {
    enum class Type : std::uint8_t { put, remove };
    Type type = Type::put;
    KeyValuePtr entry;  ///< remove: only key and mod_revision are set, as etcd's DELETE event
};

/// What a watcher is told: the events of one or more whole revisions in order, or that the revision
/// it asked for is compacted (then the watch is over and the caller takes a fresh range).
struct KvWatchUpdate {
    Revision revision = 0;  ///< the last revision contained; resume from revision + 1
    std::vector<KvEvent> events;
};

using KvWatchId = std::uint64_t;

template <typename T>
using KvCallback = std::function<void(Result<T>)>;

class KvStore {
   public:
    virtual ~KvStore() = default;

    /// All keys that start with `prefix`. Errors: unavailable.
    virtual void range(std::string prefix, KvCallback<KvRange> done) = 0;

    /// Errors: unavailable (the outcome is then *unknown*: it may have been applied), not_found (a
    /// put names a lease that has expired or never existed).
    virtual void txn(KvTxn txn, KvCallback<KvTxnResult> done) = 0;

    /// A lease of `ttl` (whole seconds, >= 1 s, rounded up). Errors: unavailable, invalid_argument.
    virtual void grant(Duration ttl, KvCallback<KvLeaseId> done) = 0;

    /// Starts the lease's time to live anew; answers the time to live. Errors: unavailable,
    /// not_found.
    virtual void keep_alive(KvLeaseId lease, KvCallback<Duration> done) = 0;

    /// Deletes the lease and every key attached to it. Absent is success. Errors: unavailable.
    virtual void revoke(KvLeaseId lease, KvCallback<Revision> done) = 0;

    /// Streams every change of keys under `prefix` from revision `from` on. Errors end the watch:
    /// compacted (take a fresh range), unavailable (the stream broke; watch again from the revision
    /// after the last one seen).
    virtual KvWatchId watch(std::string prefix, Revision from,
                            std::function<void(Result<KvWatchUpdate>)> update) = 0;
    virtual void cancel_watch(KvWatchId watch) = 0;
};

}  // namespace overlab
