// SimKvServer: the store as a program on a simulated host: an MvccStore behind streams
// (docs/store-model.md has the model, its numbers and their sources).
//
//   requests --> queue --> one at a time: service time a write, a tenth a read
//                            --> with members > 1: a quorum round trip, in order --> applied,
//                            answered
//   watches  --> ready queue --> one response after the other: all that is new up to watch_batch
//
// A watcher that is not told at once because others come first gets several revisions in one
// response, as etcd's unsynced watchers do: that keeps N watchers x N puts tractable. Batches are
// shared between watchers at the same revision. A client that does not read (unacknowledged bytes
// above the stream's low water) is passed over until it does.
//
// Members are one service: an election is a gap in which nothing is served (set_leader). Watches
// are whole revisions, in order, each event once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/ports/runtime.h"
#include "models/scenario/scenario.h"
#include "models/store/mvcc_store.h"
#include "sim/host_socket.h"
#include "sim/kv_messages.h"
#include "sim/stream.h"

namespace overlab::sim {

struct SimKvServerOptions {
    Duration service_time = microseconds(200);
    Duration quorum_round_trip;  ///< 0: a single member
    Duration watch_send_time = microseconds(2);
    std::uint32_t watch_batch = 100;
    StreamOptions stream;

    [[nodiscard]] static SimKvServerOptions from(const StoreSpec& spec);
};

struct KvServerCounters {
    std::uint64_t requests = 0, writes = 0, refused = 0;
    std::uint64_t watch_responses = 0, watch_events = 0;
    std::uint64_t batches = 0;  ///< distinct ones among the responses
    std::uint64_t expired_revisions = 0;
};

class SimKvServer final : private StreamHandler {
   public:
    /// References must outlive it. Listens at once.
    SimKvServer(HostSockets& sockets, Runtime& runtime, SimKvServerOptions options);
    SimKvServer(const SimKvServer&) = delete;
    SimKvServer& operator=(const SimKvServer&) = delete;

    /// As an operator on the store's own host would, at once: the network configuration, say.
    Result<KvTxnResult> apply(const KvTxn& txn);
    Result<void> compact(Revision at);
    /// All history is forgotten. A store that is compacted to here already stays as it is.
    void compact_now();
    /// Without a leader nothing is answered, told or expired; requests wait for the next one. With
    /// it every lease's time starts anew (MvccStore::restart_leases).
    void set_leader(bool present);
    /// No leader for `lasts` from now on.
    void leader_gap(Duration lasts);
    [[nodiscard]] bool has_leader() const { return leader_; }

    [[nodiscard]] MvccStore snapshot() const { return store_; }
    /// Holds what `held` holds (`MvccStore{}`: nothing). A restored cluster is a restarted one:
    /// connections are reset, watches and requests under way are gone. An operator's first writes
    /// follow by apply().
    void restore(const MvccStore& held);
    /// Ends an etcd lease now, with its keys: as its time to live would. Absent is success.
    void end_lease(KvLeaseId lease);

    [[nodiscard]] const MvccStore& store() const { return store_; }
    [[nodiscard]] const KvServerCounters& counters() const { return counters_; }
    [[nodiscard]] const StreamCounters& stream_counters() const { return streams_.counters(); }
    [[nodiscard]] std::size_t clients() const { return streams_.size(); }
    [[nodiscard]] std::size_t watchers() const { return watchers_.size(); }

   private:
    using RequestPtr = std::shared_ptr<const KvRequest>;
    using BatchPtr = std::shared_ptr<const KvWatchBatch>;
    using WatcherKey = std::pair<StreamId, KvWatchId>;

    struct Job {
        StreamId stream;
        RequestPtr request;
        Instant committed;  ///< set when a quorum has it
    };
    /// A batch is good for a second watcher if it was full or nothing has happened since.
    struct CachedBatch {
        BatchPtr batch;
        Revision head = 0;
    };
    /// Watchers of one prefix.
    struct Group {
        std::vector<WatcherKey> idle;             ///< have seen everything; some may be gone
        std::map<Revision, CachedBatch> batches;  ///< by first revision
    };
    enum class WatcherState : std::uint8_t { idle, ready, blocked };
    struct Watcher {
        std::map<std::string, Group>::iterator group;
        Revision next = 0;  ///< not told yet
        WatcherState state = WatcherState::ready;
    };

    // StreamHandler
    void stream_opened(StreamId stream) override { clients_.insert(stream); }
    void stream_message(StreamId stream, const StreamMessage& message) override;
    void stream_drained(StreamId stream) override;
    void stream_ended(StreamId stream, StreamEnd why) override;

    // Requests.
    void admit(StreamId stream, RequestPtr request);
    void serve();
    void served();
    void committed();
    void execute(const Job& job);
    [[nodiscard]] Duration cost_of(const KvRequest& request) const;
    void reply(StreamId stream, KvReply reply);

    // Watches.
    void add_watcher(StreamId stream, const KvRequest::Watch& watch);
    void remove_watcher(WatcherKey key);
    void make_ready(WatcherKey key, Watcher& watcher);
    void publish(Revision before);
    void wake(Group& group);
    void pump();
    void tell(WatcherKey key, Watcher& watcher);
    [[nodiscard]] Result<BatchPtr> batch_for(const Watcher& watcher);

    // Time.
    void arm_expiry();
    void expire();
    [[nodiscard]] Duration until(Instant when) const;

    Runtime& runtime_;
    SimKvServerOptions options_;
    MvccStore store_;
    StreamHost streams_;
    KvServerCounters counters_;
    bool leader_ = true;
    Instant gap_until_;
    Timer gap_;

    std::deque<Job> queue_;
    std::deque<Job> committing_;
    Timer service_, commit_, pump_, expiry_;
    Instant expiry_at_;

    std::set<StreamId> clients_;
    std::map<std::string, Group> groups_;
    std::map<WatcherKey, Watcher> watchers_;
    std::deque<WatcherKey> ready_;
};

}  // namespace overlab::sim
