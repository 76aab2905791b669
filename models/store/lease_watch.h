// LeaseWatch: one call of LeaseStore::watch: a snapshot, then changes, for ever.
//
//   snapshot --> streaming -- stream broke --> back-off --> probe --> confirming --> streaming
//      ^                          ^                           |           |
//      |                          '------- nothing told ------+-----------+
//      '----------- compacted, or not the store that we knew -'-----------'
//
// Between a snapshot at revision R and the stream from R + 1 nothing is missed and nothing is seen
// twice.
//
// A store that came back may not be the one that went: restored from a backup it stands at an
// earlier revision, and a watch from a revision yet to come waits in silence until others have
// written that much; what it then tells are the changes of another history. So before it resumes,
// the watch asks for the store's revision (a range over one small key), and then has the last
// events that it knows told again: the newest put, which no other history holds because etcd leases
// are never numbered twice, and the deletions since. Only if they come back just so does it go on
// from there. That costs a host one small request and an event or two after each broken stream; all
// leases are read again only if the proof fails.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "models/store/backoff.h"
#include "models/store/kv_lease_store.h"

namespace overlab {

class LeaseWatch : public std::enable_shared_from_this<LeaseWatch> {
   public:
    using Update = std::function<void(LeaseUpdate)>;

    /// References must outlive the watch.
    LeaseWatch(Runtime& runtime, KvStore& kv, LeaseDecoder& decoder,
               const KvLeaseStoreOptions& options, Update update);
    ~LeaseWatch();
    LeaseWatch(const LeaseWatch&) = delete;
    LeaseWatch& operator=(const LeaseWatch&) = delete;

    /// Takes a snapshot first.
    void start() { snapshot(); }
    /// As start(), but `known` was read just now, and `own` may be newer than it.
    void start_from(const KvRange& known, const LeasePtr& own);

   private:
    void snapshot();
    void snapshot_answered(const KvRange& range, const LeasePtr& own);
    void stream(Revision from);
    void told(const KvWatchUpdate& update);
    void changed(std::span<const KvEvent> events);
    void broken(const Error& error);
    // After a broken stream.
    void probe();
    void probed(const KvRange& range);
    [[nodiscard]] bool confirms(std::span<const KvEvent>& events);
    void stop_stream();
    void remember(std::span<const KvEvent> events);
    void remember(const KvRange& range);
    template <typename Action>
    [[nodiscard]] auto while_alive(Action action);

    Runtime& runtime_;
    KvStore& kv_;
    LeaseDecoder& decoder_;
    std::string prefix_, config_key_;
    Rng rng_;
    Update update_;
    JitteredBackoff pause_;
    Timer timer_;
    // The newest put that was seen and every deletion since: all that happened from that put on.
    // Empty: not known, or more than is worth keeping.
    std::vector<KvEvent> tail_;
    std::optional<std::size_t> confirmed_;  // how much of `tail_` was told again; none: all
    std::optional<KvWatchId> stream_;
};

}  // namespace overlab
