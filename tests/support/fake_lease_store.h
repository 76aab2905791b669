// FakeLeaseStore: a LeaseStore without a store: a map that a test edits. Answers come a millisecond
// later; every change goes to the watch. The rules of acquiring and renewing are the port's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "tests/support/fake_host_stack.h"

namespace overlab::test {

class FakeLeaseStore final : public LeaseStore {
   public:
    explicit FakeLeaseStore(Runtime& runtime, CallFaults* faults = nullptr)
        : runtime_(&runtime), faults_(faults) {}

    std::optional<std::string> config_text;
    Duration time_to_live = hours(24);
    std::size_t renewals = 0;                         ///< that succeeded
    Duration renewal_answer_after = milliseconds(1);  ///< a renewal takes effect at once

    // ---- what a test does to it ----

    LeasePtr put(const LeaseSubnet& subnet, const LeaseAttributes& attributes) {
        auto lease = std::make_shared<const Lease>(Lease{subnet, attributes, {1}, ++revision_});
        leases_[subnet] = lease;
        send({.added = {lease}});
        return lease;
    }
    void remove(const LeaseSubnet& subnet) {
        ++revision_;
        if (leases_.erase(subnet) > 0) send({.removed = {subnet}});
    }
    /// Changes that the watch does not see, as if its stream were broken.
    void put_unseen(const LeaseSubnet& subnet, const LeaseAttributes& attributes) {
        leases_[subnet] =
            std::make_shared<const Lease>(Lease{subnet, attributes, {1}, ++revision_});
    }
    void remove_unseen(const LeaseSubnet& subnet) { leases_.erase(subnet); }
    /// What a watcher gets that fell behind.
    void send_snapshot() { send(snapshot()); }
    void send_malformed(std::string entry) { send({.malformed = {std::move(entry)}}); }

    [[nodiscard]] const std::map<LeaseSubnet, LeasePtr>& leases() const { return leases_; }

    // ---- LeaseStore ----

    void config(std::function<void(Result<std::string>)> done) override {
        const bool struck = strikes();
        later([this, struck, done = std::move(done)] {
            if (struck) {
                done(unavailable());
            } else if (config_text) {
                done(*config_text);
            } else {
                done(fail(ErrorKind::not_found, "config: nobody wrote one"));
            }
        });
    }

    void acquire(const NetworkConfig& network, LeaseAttributes attributes,
                 std::optional<LeaseSubnet> previous,
                 std::function<void(Result<HeldLease>)> done) override {
        const bool struck = strikes();
        later([this, struck, network, attributes = std::move(attributes), previous,
               done = std::move(done)] {
            if (struck) return done(unavailable());
            const std::optional<LeaseSubnet> subnet = choose(network, attributes, previous);
            if (!subnet) return done(fail(ErrorKind::out_of_space, "all subnets are taken"));
            done(HeldLease{put(*subnet, attributes), runtime_->now() + time_to_live, false});
        });
    }

    void renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) override {
        runtime_->call_after(renewal_answer_after, [answer = renewal(*held.lease),
                                                    done = std::move(done)] { done(answer); });
    }

    void release(const HeldLease& held, std::function<void(Result<void>)> done) override {
        later([this, subnet = held.lease->subnet, done = std::move(done)] {
            remove(subnet);
            done({});
        });
    }

    void watch(std::function<void(LeaseUpdate)> update) override {
        watcher_ = std::move(update);
        send_snapshot();
    }

   private:
    [[nodiscard]] bool strikes() { return faults_ != nullptr && faults_->strikes(); }
    [[nodiscard]] static std::unexpected<Error> unavailable() {
        return fail(ErrorKind::unavailable, "fault injected by the test");
    }

    void later(std::function<void()> action) {
        runtime_->call_after(milliseconds(1), std::move(action));
    }

    void send(LeaseUpdate update) {
        later([this, update = std::move(update)] {
            if (watcher_) watcher_(update);
        });
    }

    [[nodiscard]] Result<HeldLease> renewal(const Lease& lease) {
        if (strikes()) return unavailable();
        const auto at = leases_.find(lease.subnet);
        if (at == leases_.end()) return fail(ErrorKind::not_found, "lease: gone");
        if (at->second->mod_revision != lease.mod_revision) {
            return fail(ErrorKind::already_exists, "lease: rewritten by another host");
        }
        ++renewals;
        return HeldLease{put(lease.subnet, lease.attributes), runtime_->now() + time_to_live,
                         false};
    }

    [[nodiscard]] LeaseUpdate snapshot() const {
        LeaseUpdate update{.snapshot = true};
        for (const auto& [subnet, lease] : leases_) update.added.push_back(lease);
        return update;
    }

    [[nodiscard]] std::optional<LeaseSubnet> choose(
        const NetworkConfig& network, const LeaseAttributes& attributes,
        const std::optional<LeaseSubnet>& previous) const {
        for (const auto& [subnet, lease] : leases_) {
            const bool ours = lease->attributes.public_ip == attributes.public_ip;
            if (ours && network.owns(subnet.v4)) return subnet;
        }
        if (previous && network.owns(previous->v4) && !leases_.contains(*previous)) {
            return previous;
        }
        for (std::uint64_t i = 0; i < network.subnet_count(); ++i) {
            const std::uint64_t step = std::uint64_t{1} << (32 - network.subnet_len);
            const Ipv4Address first{static_cast<std::uint32_t>(network.subnet_min.bits + i * step)};
            const LeaseSubnet subnet{Ipv4Prefix::of(first, network.subnet_len), std::nullopt};
            if (!leases_.contains(subnet)) return subnet;
        }
        return std::nullopt;
    }

    Runtime* runtime_;
    CallFaults* faults_;
    std::map<LeaseSubnet, LeasePtr> leases_;
    Revision revision_ = 1;
    std::function<void(LeaseUpdate)> watcher_;
};

}  // namespace overlab::test
