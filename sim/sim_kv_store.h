// SimKvStore: the KvStore port of a simulated host: a client of SimKvServer over one stream.
//
// Connects when first asked for something. A request without an answer for `request_timeout` fails
// as unavailable (it may have been applied); so do, at once, requests that were under way when the
// stream broke, and every watch. What is asked for while there is no stream waits for the next one,
// which is tried for after a back-off that doubles from 100 ms to 5 s and varies by a fifth either
// way (as gRPC; seeded by the host's name).
//
// Callbacks run from the event loop with nothing of this class on the stack: they may destroy it.
#pragma once

#include <memory>
#include <string>

#include "models/ports/kv_store.h"
#include "models/ports/runtime.h"
#include "sim/host_socket.h"
#include "sim/stream.h"

namespace overlab::sim {

struct SimKvStoreOptions {
    std::uint64_t seed = 1;
    Duration request_timeout = seconds(5);
    Duration back_off_min = milliseconds(100);
    Duration back_off_max = seconds(5);
    StreamOptions stream;
};

class SimKvStore final : public KvStore {
   public:
    /// References must outlive it. Nothing is sent before the first call.
    SimKvStore(HostSockets& sockets, Runtime& runtime, Endpoint server, SimKvStoreOptions options);
    ~SimKvStore() override;
    SimKvStore(const SimKvStore&) = delete;
    SimKvStore& operator=(const SimKvStore&) = delete;

    void range(std::string prefix, KvCallback<KvRange> done) override;
    void txn(KvTxn txn, KvCallback<KvTxnResult> done) override;
    void grant(Duration ttl, KvCallback<KvLeaseId> done) override;
    void keep_alive(KvLeaseId lease, KvCallback<Duration> done) override;
    void revoke(KvLeaseId lease, KvCallback<Revision> done) override;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
    void cancel_watch(KvWatchId watch) override;

    [[nodiscard]] bool connected() const;
    [[nodiscard]] const StreamCounters& counters() const;

   private:
    class Impl;
    std::shared_ptr<Impl> impl_;  // shared only with a callback that is running
};

}  // namespace overlab::sim
