// HostKv: a store client on a host that can stand still. What arrives meanwhile waits for the host,
// as packets wait in its socket; the rest passes through.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "models/fault/host_clock.h"
#include "models/ports/kv_store.h"

namespace overlab {

class HostKv final : public KvStore {
   public:
    /// References must outlive it.
    HostKv(HostClock& clock, KvStore& kv) : clock_(&clock), kv_(&kv) {}

    void range(std::string prefix, KvCallback<KvRange> done) override {
        kv_->range(std::move(prefix), when_awake(std::move(done)));
    }
    void txn(KvTxn txn, KvCallback<KvTxnResult> done) override {
        kv_->txn(std::move(txn), when_awake(std::move(done)));
    }
    void grant(Duration ttl, KvCallback<KvLeaseId> done) override {
        kv_->grant(ttl, when_awake(std::move(done)));
    }
    void keep_alive(KvLeaseId lease, KvCallback<Duration> done) override {
        kv_->keep_alive(lease, when_awake(std::move(done)));
    }
    void revoke(KvLeaseId lease, KvCallback<Revision> done) override {
        kv_->revoke(lease, when_awake(std::move(done)));
    }
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override {
        return kv_->watch(std::move(prefix), from, when_awake(std::move(update)));
    }
    void cancel_watch(KvWatchId watch) override { kv_->cancel_watch(watch); }

   private:
    template <typename T>
    [[nodiscard]] std::function<void(Result<T>)> when_awake(
        std::function<void(Result<T>)> done) const {
        return [clock = clock_, alive = std::weak_ptr<void>(alive_),
                done = std::move(done)](Result<T> answer) {
            if (!clock->paused()) return done(std::move(answer));
            clock->call_after({}, [alive, done, answer = std::move(answer)] {
                if (!alive.expired()) done(answer);
            });
        };
    }

    HostClock* clock_;
    KvStore* kv_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace overlab
