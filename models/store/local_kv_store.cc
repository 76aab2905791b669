#include "models/store/local_kv_store.h"

#include <optional>
#include <utility>
#include <vector>

namespace overlab {
namespace {

std::unexpected<Error> no_answer() { return fail(ErrorKind::unavailable, "store: no answer"); }

}  // namespace

// ---- server
// ----------------------------------------------------------------------------------------

LocalKvServer::LocalKvServer(Runtime& runtime)
    : runtime_(runtime), notify_(runtime), expiry_(runtime) {}

void LocalKvServer::changed() {
    if (observer_) observer_();
    if (!leader_) return;  // the next one looks
    arm_expiry();
    // One round for all changes of an instant: each watcher gets them in one update.
    if (!watchers_.empty() && !notify_.armed()) notify_.start({}, [this] { notify_all(); });
}

void LocalKvServer::arm_expiry() {
    const std::optional<Instant> next = store_.next_expiry();
    // A timer that fires too early finds nothing expired and arms itself again: keep-alives cost
    // nothing.
    if (!next || (expiry_.armed() && expiry_at_ <= *next)) return;
    expiry_at_ = *next;
    expiry_.start(*next - runtime_.now(), [this] {
        if (!leader_) return;
        store_.expire(runtime_.now());
        changed();
    });
}

void LocalKvServer::serve(std::function<void()> request) {
    if (leader_) return request();
    held_.push_back(std::move(request));
}

void LocalKvServer::set_leader(bool present) {
    if (present == leader_) return;
    leader_ = present;
    if (!present) {
        notify_.stop();
        return;
    }
    store_.restart_leases(runtime_.now());
    for (const auto& request : std::exchange(held_, {})) request();
    changed();
}

void LocalKvServer::restore(const MvccStore& held) {
    held_.clear();
    ++era_;
    store_.restore(held, runtime_.now());
    cached_revision_ = -1;
    break_watches();
    changed();
}

const Result<KvWatchUpdate>& LocalKvServer::changes_for(const Watcher& watcher) {
    const bool hit = cached_revision_ == store_.revision() && cached_from_ == watcher.next &&
                     cached_prefix_ == watcher.prefix && watcher.next >= store_.compacted();
    if (!hit) {
        cached_ = store_.changes(watcher.prefix, watcher.next);
        cached_prefix_ = watcher.prefix;
        cached_from_ = watcher.next;
        cached_revision_ = store_.revision();
    }
    return cached_;
}

void LocalKvServer::notify_all() {
    for (auto at = watchers_.begin(); at != watchers_.end();) {
        Watcher& watcher = at->second;
        if (watcher.next > store_.revision() && watcher.next >= store_.compacted()) {
            ++at;
            continue;
        }
        const Result<KvWatchUpdate>& update = changes_for(watcher);
        if (!update) {
            watcher.send(update);
            at = watchers_.erase(at);
            continue;
        }
        watcher.next = update->revision + 1;
        if (!update->events.empty()) watcher.send(update);
        ++at;
    }
}

void LocalKvServer::break_watches() {
    const auto broken = std::exchange(watchers_, {});
    for (const auto& [id, watcher] : broken) {
        runtime_.call_after({}, [send = watcher.send] { send(no_answer()); });
    }
}

KvWatchId LocalKvServer::add_watch(std::string prefix, Revision from, Send send) {
    const KvWatchId id = ++last_watch_;
    const Revision next = from == 0 ? store_.revision() + 1 : from;
    watchers_.emplace(id, Watcher{std::move(prefix), next, std::move(send)});
    changed();
    return id;
}

void LocalKvServer::remove_watch(KvWatchId watch) { watchers_.erase(watch); }

// ---- client
// ----------------------------------------------------------------------------------------

LocalKvStore::LocalKvStore(Runtime& runtime, LocalKvServer& server, Duration latency)
    : runtime_(runtime), server_(&server), server_alive_(server.alive()), latency_(latency) {}

LocalKvStore::~LocalKvStore() {
    if (server_alive_.expired()) return;
    for (const auto& [id, watch] : watches_) server_->remove_watch(watch.at_server);
}

CallFault LocalKvStore::next_fault() {
    const auto found = faults_.find(++calls_);
    return found == faults_.end() ? CallFault::none : found->second;
}

template <typename T, typename Change>
void LocalKvStore::call(Change change, KvCallback<T> done) {
    const CallFault fault = next_fault();
    if (fault == CallFault::request_late) {
        runtime_.call_after(latency_ + lateness_, [server = server_, server_alive = server_alive_,
                                                   change = std::move(change)]() mutable {
            // Whoever asked has been told that there is no answer.
            if (!server_alive.expired()) (void)server->apply(std::move(change));
        });
        return answer<T>(no_answer(), std::move(done));
    }
    const bool sent = connected_ && fault != CallFault::request_lost;
    runtime_.call_after(latency_, [this, sent, fault, alive = std::weak_ptr<void>(alive_),
                                   server = server_, server_alive = server_alive_,
                                   change = std::move(change), done = std::move(done)]() mutable {
        const bool arrives = sent && !server_alive.expired();
        const bool waits = arrives && !server->has_leader();
        if (waits && fault == CallFault::none && !alive.expired())
            return wait_for_leader(std::move(change), std::move(done));
        Result<T> outcome = no_answer();
        if (waits) {
            server->serve([server, change = std::move(change)]() mutable {
                (void)server->apply(std::move(change));  // nobody hears the answer
            });
        } else if (arrives) {
            outcome = server->apply(std::move(change));
        }
        if (fault != CallFault::none) outcome = no_answer();
        // The request has taken effect whether or not the client still lives.
        if (!alive.expired()) answer<T>(std::move(outcome), std::move(done));
    });
}

// The answer comes when there is a leader, or its absence after the time-out: the first one counts.
template <typename T, typename Change>
void LocalKvStore::wait_for_leader(Change change, KvCallback<T> done) {
    auto waiting = std::make_shared<std::optional<KvCallback<T>>>(std::move(done));
    runtime_.call_after(request_timeout_, [this, waiting, alive = std::weak_ptr<void>(alive_)] {
        if (alive.expired() || !*waiting) return;
        const KvCallback<T> asker = *std::exchange(*waiting, std::nullopt);
        asker(no_answer());
    });
    server_->serve([this, waiting, server = server_, alive = std::weak_ptr<void>(alive_),
                    change = std::move(change)]() mutable {
        Result<T> outcome = server->apply(std::move(change));
        if (alive.expired() || !*waiting) return;
        answer<T>(std::move(outcome), *std::exchange(*waiting, std::nullopt));
    });
}

template <typename T>
void LocalKvStore::answer(Result<T> outcome, KvCallback<T> done) {
    runtime_.call_after(latency_, [this, alive = std::weak_ptr<void>(alive_),
                                   outcome = std::move(outcome), done = std::move(done)]() mutable {
        if (alive.expired()) return;
        if (!connected_) outcome = no_answer();
        done(std::move(outcome));
    });
}

void LocalKvStore::range(std::string prefix, KvCallback<KvRange> done) {
    call<KvRange>(
        [prefix = std::move(prefix)](MvccStore& store, Instant now) -> Result<KvRange> {
            return store.range(prefix, now);
        },
        std::move(done));
}

void LocalKvStore::txn(KvTxn txn, KvCallback<KvTxnResult> done) {
    call<KvTxnResult>(
        [txn = std::move(txn)](MvccStore& store, Instant now) { return store.txn(txn, now); },
        std::move(done));
}

void LocalKvStore::grant(Duration ttl, KvCallback<KvLeaseId> done) {
    call<KvLeaseId>([ttl](MvccStore& store, Instant now) { return store.grant(ttl, now); },
                    std::move(done));
}

void LocalKvStore::keep_alive(KvLeaseId lease, KvCallback<Duration> done) {
    call<Duration>([lease](MvccStore& store, Instant now) { return store.keep_alive(lease, now); },
                   std::move(done));
}

void LocalKvStore::revoke(KvLeaseId lease, KvCallback<Revision> done) {
    call<Revision>([lease](MvccStore& store,
                           Instant now) -> Result<Revision> { return store.revoke(lease, now); },
                   std::move(done));
}

KvWatchId LocalKvStore::watch(std::string prefix, Revision from,
                              std::function<void(Result<KvWatchUpdate>)> update) {
    const KvWatchId id = ++last_watch_;
    watches_[id].update =
        std::make_shared<std::function<void(Result<KvWatchUpdate>)>>(std::move(update));
    const bool sent = next_fault() == CallFault::none && connected_;
    runtime_.call_after(latency_, [this, id, sent, from, alive = std::weak_ptr<void>(alive_),
                                   prefix = std::move(prefix)]() mutable {
        if (alive.expired() || !watches_.contains(id)) return;
        if (sent && connected_ && !server_alive_.expired()) {
            open_watch(id, std::move(prefix), from);
        } else {
            deliver(id, no_answer());
        }
    });
    return id;
}

void LocalKvStore::open_watch(KvWatchId id, std::string prefix, Revision from) {
    auto send = [this, id, alive = std::weak_ptr<void>(alive_)](Result<KvWatchUpdate> update) {
        if (!alive.expired()) deliver(id, std::move(update));
    };
    watches_[id].at_server = server_->add_watch(std::move(prefix), from, std::move(send));
}

void LocalKvStore::deliver(KvWatchId id, Result<KvWatchUpdate> update) {
    runtime_.call_after(latency_, [this, id, alive = std::weak_ptr<void>(alive_),
                                   update = std::move(update)]() mutable {
        if (alive.expired()) return;
        const auto found = watches_.find(id);
        if (found == watches_.end()) return;
        // The callback may cancel this watch or destroy the client: nothing of ours is used after
        // it.
        const auto callback = found->second.update;
        if (!update) watches_.erase(found);
        (*callback)(std::move(update));
    });
}

void LocalKvStore::cancel_watch(KvWatchId watch) {
    const auto found = watches_.find(watch);
    if (found == watches_.end()) return;
    if (!server_alive_.expired()) server_->remove_watch(found->second.at_server);
    watches_.erase(found);
}

void LocalKvStore::set_connected(bool connected) {
    connected_ = connected;
    if (connected) return;
    for (auto& [id, watch] : watches_) {
        if (!server_alive_.expired()) server_->remove_watch(watch.at_server);
        watch.at_server = 0;
        deliver(id, no_answer());
    }
}

}  // namespace overlab
