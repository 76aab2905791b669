// What goes wrong between a store and those who watch it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "models/defect/layers.h"

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
/// The layer hides a revision that runs backwards, and with it what would show the watcher that the
/// store is not the one it knew: updates from before the highest revision that it has seen are not
/// told, and a reading is told to be as new as that revision.
class StoreLossIgnored final : public KvLayer {
   public:
    using KvLayer::KvLayer;
    void range(std::string prefix, KvCallback<KvRange> done) override;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;

   private:
    // shared_ptr: callbacks may run when the layer is gone, if the store below lives longer.
    std::shared_ptr<Revision> highest_ = std::make_shared<Revision>(0);
};

}  // namespace overlab
