// What goes wrong between a store and those who watch it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "models/defect/layers.h"
#include "models/node/callback_guard.h"
#include "models/ports/runtime.h"

namespace overlab {

/// `watch-ignores-compaction`. An agent that was away while the store compacted its history asks
/// for a revision that is gone. flannel's watch took the answer for an event with nothing in it and
/// asked again for the same revision, for ever (its issues 2470, 2471 and 2524; the loop filled a
/// disk), or met an index out of range and died. What they have in common is here: the watch is
/// never whole again, and nothing says so.
class CompactionIgnored final : public KvLayer {
   public:
    using KvLayer::KvLayer;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
};

/// `watch-first-event-only`. flannel's watch on etcd v3 before its version 0.21.3 read
/// `Events[0]` of each response. etcd puts all events of a transaction, and whatever gathered while
/// the client was busy, into one: of 200 leases written in two transactions two were programmed.
/// Events of a lease that expired or of two hosts that start together meet in a response as well.
class FirstEventOnly final : public KvLayer {
   public:
    using KvLayer::KvLayer;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
};

/// `store-loss-ignored`. A store that lost its data, or was put back to an older backup, counts its
/// revisions from an earlier one. etcd accepts a watch from a revision that is yet to come and is
/// silent until it is reached; a watcher that resumes where it stood waits for that, and misses all
/// that is written until then (flannel's issues 805 and 1129: two nodes with one subnet after etcd
/// was lost).
///
/// The layer hides a revision that runs backwards, and what would show the watcher that the store
/// is not the one it knew: a reading is told to be as new as the newest that was ever told, events
/// that were told before are told again from memory, and the store is asked only for what is newer.
class StoreLossIgnored final : public KvLayer {
   public:
    StoreLossIgnored(KvStore& below, Runtime& runtime) : KvLayer(below), runtime_(&runtime) {}
    void range(std::string prefix, KvCallback<KvRange> done) override;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
    void cancel_watch(KvWatchId watch) override;

   private:
    void note(KvRange& range);
    void note(const KvWatchUpdate& update);
    void remember(const KvEvent& event);

    Runtime* runtime_;
    Revision highest_ = 0;
    std::vector<KvEvent> told_;  // the last ones, ascending
    std::set<KvWatchId> open_;
    CallbackGuard guard_;
};

}  // namespace overlab
