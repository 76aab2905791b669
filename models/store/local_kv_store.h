// LocalKvStore: the KvStore port straight onto an MvccStore in the same process, for tests and for
// worlds without a network to the store. One LocalKvServer holds the truth; any number of clients
// share it.
//
//   LocalKvStore --latency--> LocalKvServer (MvccStore, watchers, expiry timer)
//   LocalKvStore <--latency--
//
// A request takes effect when it arrives and is answered when the answer arrives, so between the
// two the client does not know, as with a real store. Faults are placed by tests: the k-th call is
// lost on its way there or back, watches break, a client is cut off. Server, client and runtime are
// of one thread; the runtime must outlive both. A client that is destroyed drops its callbacks, but
// what it has sent still arrives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/ports/kv_store.h"
#include "models/ports/runtime.h"
#include "models/store/mvcc_store.h"

namespace overlab {

class LocalKvServer {
   public:
    using Send = std::function<void(Result<KvWatchUpdate>)>;

    explicit LocalKvServer(Runtime& runtime);
    LocalKvServer(const LocalKvServer&) = delete;
    LocalKvServer& operator=(const LocalKvServer&) = delete;

    [[nodiscard]] const MvccStore& store() const { return store_; }
    [[nodiscard]] MvccStore snapshot() const { return store_; }

    /// Runs `change` on the store now; watchers hear of it as soon as the caller has returned.
    template <typename Change>
    auto apply(Change&& change) {
        auto result = std::forward<Change>(change)(store_, runtime_.now());
        changed();
        return result;
    }

    /// Ends every watch with `unavailable`, as a restarted server does.
    void break_watches();
    /// Holds what `held` holds (`MvccStore{}`: nothing); watches break and held requests are lost,
    /// because a restored cluster is a restarted one.
    void restore(const MvccStore& held);
    /// Without a leader nothing is answered, told or expired; requests wait for the next one. With
    /// it every lease's time starts anew (MvccStore::restart_leases).
    void set_leader(bool present);
    [[nodiscard]] bool has_leader() const { return leader_; }
    /// Counts restorations: what was sent to the store before one does not arrive after it.
    [[nodiscard]] unsigned era() const { return era_; }

    /// Called right after each change of the store, also one that changes nothing; must not call
    /// the server.
    void set_observer(std::function<void()> observer) { observer_ = std::move(observer); }

    /// Serves a client's request: now, or when there is a leader again.
    void serve(std::function<void()> request);

    /// Used by clients. `send` gets whole revisions in order, then perhaps one error, after which
    /// the watch is gone. `from` 0: from the next revision on.
    KvWatchId add_watch(std::string prefix, Revision from, Send send);
    void remove_watch(KvWatchId watch);

    /// False once the server is destroyed.
    [[nodiscard]] std::weak_ptr<void> alive() const { return alive_; }

   private:
    struct Watcher {
        std::string prefix;
        Revision next = 0;
        Send send;
    };

    void changed();
    void arm_expiry();
    void notify_all();
    [[nodiscard]] const Result<KvWatchUpdate>& changes_for(const Watcher& watcher);

    Runtime& runtime_;
    MvccStore store_;
    std::function<void()> observer_;
    std::map<KvWatchId, Watcher> watchers_;
    KvWatchId last_watch_ = 0;
    bool leader_ = true;
    unsigned era_ = 0;
    std::vector<std::function<void()>> held_;  // requests that wait for a leader
    Timer notify_;
    Timer expiry_;
    Instant expiry_at_;
    // The last answer of changes_for: thousands of watchers stand at the same place.
    std::string cached_prefix_;
    Revision cached_from_ = 0;
    Revision cached_revision_ = -1;
    Result<KvWatchUpdate> cached_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

/// What happens to a call that a test has marked.
enum class CallFault : std::uint8_t {
    none,
    request_lost,  ///< never applied; the caller hears `unavailable`
    answer_lost,   ///< applied; the caller hears `unavailable` all the same
    request_late,  ///< the caller hears `unavailable`, and then it is applied, see set_lateness()
};

class LocalKvStore final : public KvStore {
   public:
    /// `latency` is one way. The server may be destroyed first: calls then fail with `unavailable`.
    LocalKvStore(Runtime& runtime, LocalKvServer& server, Duration latency = {});
    ~LocalKvStore() override;
    LocalKvStore(const LocalKvStore&) = delete;
    LocalKvStore& operator=(const LocalKvStore&) = delete;

    void range(std::string prefix, KvCallback<KvRange> done) override;
    void txn(KvTxn txn, KvCallback<KvTxnResult> done) override;
    void grant(Duration ttl, KvCallback<KvLeaseId> done) override;
    void keep_alive(KvLeaseId lease, KvCallback<Duration> done) override;
    void revoke(KvLeaseId lease, KvCallback<Revision> done) override;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
    void cancel_watch(KvWatchId watch) override;

    /// Calls made so far, watches included.
    [[nodiscard]] std::uint64_t calls() const { return calls_; }
    /// The call that makes calls() equal `k` suffers `fault`.
    void fail_call(std::uint64_t k, CallFault fault) { faults_[k] = fault; }
    /// How much longer than the latency a `request_late` call takes to arrive.
    void set_lateness(Duration lateness) { lateness_ = lateness; }
    /// After so long without an answer, because there is no leader, a request is `unavailable`; it
    /// is applied all the same when there is one. Default: as the simulated client's.
    void set_request_timeout(Duration timeout) { request_timeout_ = timeout; }
    /// While false, requests and answers are lost and watches end, all with `unavailable`.
    void set_connected(bool connected);

   private:
    struct Watch {
        KvWatchId at_server = 0;  // 0: the request is on its way
        std::shared_ptr<std::function<void(Result<KvWatchUpdate>)>> update;
    };

    template <typename T, typename Change>
    void call(Change change, KvCallback<T> done);
    template <typename T, typename Change>
    void wait_for_leader(Change change, KvCallback<T> done);
    template <typename T>
    void answer(Result<T> outcome, KvCallback<T> done);
    [[nodiscard]] CallFault next_fault();
    void open_watch(KvWatchId id, std::string prefix, Revision from);
    void deliver(KvWatchId id, Result<KvWatchUpdate> update);

    Runtime& runtime_;
    LocalKvServer* server_;
    std::weak_ptr<void> server_alive_;
    Duration latency_;
    Duration lateness_ = milliseconds(500);
    Duration request_timeout_ = seconds(5);
    bool connected_ = true;
    std::uint64_t calls_ = 0;
    std::map<std::uint64_t, CallFault> faults_;
    std::map<KvWatchId, Watch> watches_;
    KvWatchId last_watch_ = 0;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace overlab
