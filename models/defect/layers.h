// Layers around ports that pass everything on: a defect derives from one and changes what it is
// about. References must outlive the layer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/ports/host_stack.h"
#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"

namespace overlab {

class KvLayer : public KvStore {
   public:
    explicit KvLayer(KvStore& below) : below_(&below) {}

    void range(std::string prefix, KvCallback<KvRange> done) override {
        below_->range(std::move(prefix), std::move(done));
    }
    void txn(KvTxn txn, KvCallback<KvTxnResult> done) override {
        below_->txn(std::move(txn), std::move(done));
    }
    void grant(Duration ttl, KvCallback<KvLeaseId> done) override {
        below_->grant(ttl, std::move(done));
    }
    void keep_alive(KvLeaseId lease, KvCallback<Duration> done) override {
        below_->keep_alive(lease, std::move(done));
    }
    void revoke(KvLeaseId lease, KvCallback<Revision> done) override {
        below_->revoke(lease, std::move(done));
    }
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override {
        return below_->watch(std::move(prefix), from, std::move(update));
    }
    void cancel_watch(KvWatchId watch) override { below_->cancel_watch(watch); }

   protected:
    [[nodiscard]] KvStore& below() const { return *below_; }

   private:
    KvStore* below_;
};

class LeaseLayer : public LeaseStore {
   public:
    explicit LeaseLayer(LeaseStore& below) : below_(&below) {}

    void config(std::function<void(Result<std::string>)> done) override {
        below_->config(std::move(done));
    }
    void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous,
                 std::function<void(Result<HeldLease>)> done) override {
        below_->acquire(network, std::move(attributes), std::move(previous), std::move(done));
    }
    void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) override {
        below_->renew(held, std::move(done));
    }
    void release(const HeldLease& held, std::function<void(Result<void>)> done) override {
        below_->release(held, std::move(done));
    }
    void watch(std::function<void(LeaseUpdate)> update) override {
        below_->watch(std::move(update));
    }

   protected:
    [[nodiscard]] LeaseStore& below() const { return *below_; }

   private:
    LeaseStore* below_;
};

class StackLayer : public HostStack {
   public:
    explicit StackLayer(HostStack& below) : below_(&below) {}

    [[nodiscard]] HostFacts facts() const override { return below_->facts(); }
    [[nodiscard]] Result<ForwardingState> dump() override { return below_->dump(); }
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override {
        return below_->apply(changes);
    }
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override {
        return below_->on_link(address);
    }

   protected:
    [[nodiscard]] HostStack& below() const { return *below_; }

   private:
    HostStack* below_;
};

}  // namespace overlab
