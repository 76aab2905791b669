#include "models/store/kv_lease_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "models/store/lease_acquisition.h"
#include "models/store/lease_keys.h"
#include "models/store/lease_watch.h"

namespace overlab {
namespace {

// A reading older than this is not worth a watch's replaying what has happened since.
constexpr Duration max_reading_age = seconds(10);

}  // namespace

KvLeaseStore::KvLeaseStore(Runtime& runtime, KvStore& kv, LeaseDecoder& decoder,
                           KvLeaseStoreOptions options)
    : runtime_(runtime),
      kv_(kv),
      decoder_(decoder),
      options_(std::move(options)),
      rng_(Rng::stream(options_.seed, options_.host + "/lease")) {
    CHECK(!options_.prefix.ends_with('/'));
    CHECK(options_.lease_ttl >= seconds(1));
}

KvLeaseStore::~KvLeaseStore() = default;

template <typename Action>
auto KvLeaseStore::while_alive(Action action) const {
    return [alive = std::weak_ptr<void>(alive_),
            action = std::move(action)](auto&&... arguments) mutable {
        if (!alive.expired()) action(std::forward<decltype(arguments)>(arguments)...);
    };
}

std::string KvLeaseStore::key_of(const LeaseSubnet& subnet) const {
    return subnets_prefix(options_.prefix) + lease_key(subnet);
}

void KvLeaseStore::config(std::function<void(Result<std::string>)> done) {
    const std::string key = config_key(options_.prefix);
    kv_.range(key, while_alive([key, done = std::move(done)](Result<KvRange> range) {
                  if (!range) return done(std::unexpected(range.error()));
                  const auto found = std::ranges::find(range->entries, key, &KeyValue::key);
                  if (found == range->entries.end()) {
                      return done(
                          fail(ErrorKind::not_found,
                               fmt::format("network configuration {}: nobody wrote one yet", key)));
                  }
                  done((*found)->value);
              }));
}

void KvLeaseStore::acquire(const NetworkConfig& network, LeaseAttributes attributes,
                           std::optional<LeaseSubnet> previous,
                           std::function<void(Result<HeldLease>)> done) {
    const std::uint64_t id = ++last_acquisition_;
    auto finished = [this, id, done = std::move(done)](Result<HeldLease> answer) {
        const auto node = acquisitions_.extract(id);
        CHECK(!node.empty());
        if (answer && !watch_) {
            LeaseAcquisition& acquisition = *node.mapped();
            const Instant when = acquisition.last_read_at();
            last_reading_ = Reading{acquisition.take_last_read(), answer->lease, when};
        }
        done(std::move(answer));
    };
    const auto acquisition = std::make_shared<LeaseAcquisition>(
        LeaseAcquisition::World{runtime_, kv_, decoder_, options_, rng_},
        LeaseAcquisition::Request{network, std::move(attributes), previous}, std::move(finished));
    acquisitions_.emplace(id, acquisition);
    acquisition->start();
}

void KvLeaseStore::renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) {
    CHECK(held.lease != nullptr);
    if (held.reservation) return check_held(held, held.expires, std::move(done));
    const Instant sent = runtime_.now();
    kv_.keep_alive(held.lease->kv_lease, while_alive([this, held, sent, done = std::move(done)](
                                                         const Result<Duration>& ttl) mutable {
                       if (!ttl && ttl.error().kind == ErrorKind::unavailable)
                           return done(std::unexpected(ttl.error()));
                       // Without an etcd lease the comparison must fail; it tells whether the key
                       // has a new owner.
                       check_held(held, ttl ? sent + *ttl : held.expires, std::move(done));
                   }));
}

void KvLeaseStore::check_held(const HeldLease& held, Instant expires,
                              std::function<void(Result<HeldLease>)> done) {
    const std::string key = key_of(held.lease->subnet);
    KvTxn unchanged;
    unchanged.compares = still_as(key, *held.lease);
    kv_.txn(std::move(unchanged),
            while_alive([held, expires, done = std::move(done)](const Result<KvTxnResult>& answer) {
                if (!answer) return done(std::unexpected(answer.error()));
                const std::string subnet = held.lease->subnet.to_string();
                if (answer->succeeded) {
                    return done(HeldLease{held.lease, expires, held.reservation});
                }
                if (answer->current.empty()) {
                    return done(fail(ErrorKind::not_found,
                                     fmt::format("lease {}: expired or was deleted", subnet)));
                }
                done(fail(
                    ErrorKind::already_exists,
                    fmt::format("lease {}: was rewritten at revision {}, ours is {}", subnet,
                                answer->current.front()->mod_revision, held.lease->mod_revision)));
            }));
}

void KvLeaseStore::release(const HeldLease& held, std::function<void(Result<void>)> done) {
    CHECK(held.lease != nullptr);
    if (held.reservation) {
        // It is the administrator's, before us and after us.
        runtime_.call_after({}, while_alive([done = std::move(done)] { done({}); }));
        return;
    }
    const std::string key = key_of(held.lease->subnet);
    KvTxn remove;
    remove.compares = still_as(key, *held.lease);
    remove.deletes = {{key}};
    kv_.txn(std::move(remove),
            while_alive([this, kv_lease = held.lease->kv_lease,
                         done = std::move(done)](const Result<KvTxnResult>& answer) {
                if (!answer) return done(std::unexpected(answer.error()));
                // The etcd lease owns nothing now; if this call is lost it ends by itself.
                if (answer->succeeded) kv_.revoke(kv_lease, [](const Result<Revision>&) {});
                done({});
            }));
}

void KvLeaseStore::watch(std::function<void(LeaseUpdate)> update) {
    watch_ = std::make_shared<LeaseWatch>(runtime_, kv_, decoder_, options_, std::move(update));
    const auto reading = std::exchange(last_reading_, std::nullopt);
    if (reading && runtime_.now() - reading->when <= max_reading_age) {
        watch_->start_from(reading->range, reading->own);
    } else {
        watch_->start();
    }
}

}  // namespace overlab
