// KvCluster: a SimKvServer and its clients on a FakeNetwork, and calls that wait for their answer.
//
//      node 0 --.
//      node 1 --+-- FakeNetwork -- store 192.0.2.1
//      ...    --'
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/sim_kv_server.h"
#include "sim/sim_kv_store.h"
#include "tests/support/fake_network.h"

namespace overlab::test {

inline KvTxn put_of(std::string key, std::string value, KvLeaseId lease = {}) {
    KvTxn txn;
    txn.puts.push_back({std::move(key), std::move(value), lease});
    return txn;
}

class KvCluster {
   public:
    static constexpr Ipv4Address store_address{0xc0000201};  // 192.0.2.1

    explicit KvCluster(std::uint64_t seed = 1, sim::SimKvServerOptions options = {})
        : network(runtime, seed),
          server(network.add("store", store_address), runtime, options),
          seed_(seed) {}

    static Ipv4Address node_address(std::uint32_t index) {
        return {0xc6336400 + index + 1};  // 198.51.100.1 and on
    }

    sim::SimKvStore& add_client() {
        const auto index = static_cast<std::uint32_t>(clients.size());
        auto& sockets = network.add("node-" + std::to_string(index), node_address(index));
        sim::SimKvStoreOptions options;
        options.seed = seed_;
        clients.push_back(std::make_unique<sim::SimKvStore>(
            sockets, runtime, sim::Endpoint{store_address, sim::kv_port}, options));
        return *clients.back();
    }

    /// Lets time pass until `answer` is set; an error if that takes over a minute.
    template <typename T>
    Result<T> await(std::optional<Result<T>>& answer) {
        const Instant deadline = runtime.now() + minutes(1);
        const bool came = runtime.run_until_true([&] { return answer.has_value(); }, deadline);
        return came ? std::move(*answer) : fail(ErrorKind::unavailable, "test: no callback");
    }

    Result<KvTxnResult> put(KvStore& store, std::string key, std::string value,
                            KvLeaseId lease = {}) {
        std::optional<Result<KvTxnResult>> answer;
        store.txn(put_of(std::move(key), std::move(value), lease),
                  [&](Result<KvTxnResult> result) { answer = std::move(result); });
        return await(answer);
    }
    Result<KvRange> range(KvStore& store, std::string prefix) {
        std::optional<Result<KvRange>> answer;
        store.range(std::move(prefix), [&](Result<KvRange> result) { answer = std::move(result); });
        return await(answer);
    }
    Result<KvLeaseId> grant(KvStore& store, Duration ttl) {
        std::optional<Result<KvLeaseId>> answer;
        store.grant(ttl, [&](Result<KvLeaseId> result) { answer = std::move(result); });
        return await(answer);
    }

    VirtualRuntime runtime;
    FakeNetwork network;
    sim::SimKvServer server;
    std::vector<std::unique_ptr<sim::SimKvStore>> clients;

   private:
    std::uint64_t seed_;
};

/// Watches as a lease store does: resumes after the last revision seen when the stream breaks.
class ResumingWatcher {
   public:
    ResumingWatcher(KvStore& store, std::string prefix, Revision from)
        : store_(store), prefix_(std::move(prefix)), next_(from) {
        start();
    }

    std::vector<std::string> seen;  ///< `put k=v` and `remove k`
    std::vector<std::size_t> batch_sizes;
    std::size_t breaks = 0;
    std::optional<Error> ended;

   private:
    void start() {
        store_.watch(prefix_, next_, [this](Result<KvWatchUpdate> update) {
            if (update) {
                take(*update);
            } else if (update.error().kind == ErrorKind::unavailable) {
                ++breaks;
                start();
            } else {
                ended = update.error();
            }
        });
    }

    void take(const KvWatchUpdate& update) {
        batch_sizes.push_back(update.events.size());
        for (const KvEvent& event : update.events) {
            const KeyValue& entry = *event.entry;
            seen.push_back(event.type == KvEvent::Type::put ? "put " + entry.key + "=" + entry.value
                                                            : "remove " + entry.key);
        }
        next_ = update.revision + 1;
    }

    KvStore& store_;
    std::string prefix_;
    Revision next_;
};

}  // namespace overlab::test
