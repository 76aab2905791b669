#include "sim/sim_kv_server.h"

#include <algorithm>
#include <variant>

#include "models/base/check.h"

namespace overlab::sim {
namespace {

/// etcd refuses above 5,000 applied-but-unanswered proposals a member; clients here have one or two
/// requests each.
constexpr std::size_t max_queued_requests = 65'536;
constexpr std::size_t max_cached_batches = 256;
/// Between members in one site (docs/store-model.md).
constexpr Duration site_round_trip = microseconds(500);
constexpr std::int64_t reads_per_write_time = 10;

}  // namespace

SimKvServerOptions SimKvServerOptions::from(const StoreSpec& spec) {
    SimKvServerOptions options;
    options.service_time = spec.service_time;
    options.watch_batch = spec.watch_batch;
    if (spec.members > 1) options.quorum_round_trip = site_round_trip;
    return options;
}

SimKvServer::SimKvServer(HostSockets& sockets, Runtime& runtime, SimKvServerOptions options)
    : runtime_(runtime),
      options_(options),
      streams_(sockets, runtime, *this, options.stream),
      gap_(runtime),
      service_(runtime),
      commit_(runtime),
      pump_(runtime),
      expiry_(runtime) {
    CHECK(options_.watch_batch > 0);
    streams_.listen(kv_port);
}

Duration SimKvServer::until(Instant when) const {
    return std::max(when, runtime_.now()) - runtime_.now();
}

// --- requests ------------------------------------------------------------------------------------

void SimKvServer::stream_message(StreamId stream, const StreamMessage& message) {
    auto request = std::static_pointer_cast<const KvRequest>(message.cargo);
    if (const auto* watch = std::get_if<KvRequest::Watch>(&request->body)) {
        add_watcher(stream, *watch);
    } else if (const auto* gone = std::get_if<KvRequest::CancelWatch>(&request->body)) {
        remove_watcher({stream, gone->watch});
    } else {
        admit(stream, std::move(request));
    }
}

void SimKvServer::admit(StreamId stream, RequestPtr request) {
    ++counters_.requests;
    if (request->is_write()) ++counters_.writes;
    if (queue_.size() >= max_queued_requests) {
        // Not answered: the client's own time-out tells it, as an overloaded server's silence does.
        ++counters_.refused;
        return;
    }
    queue_.push_back({stream, std::move(request), {}});
    serve();
}

Duration SimKvServer::cost_of(const KvRequest& request) const {
    return request.is_write() ? options_.service_time
                              : options_.service_time / reads_per_write_time;
}

void SimKvServer::serve() {
    if (!leader_ || service_.armed() || queue_.empty()) return;
    service_.start(cost_of(*queue_.front().request), [this] { served(); });
}

void SimKvServer::served() {
    Job job = std::move(queue_.front());
    queue_.pop_front();
    if (options_.quorum_round_trip == Duration{}) {
        execute(job);
    } else {
        // Reads too: etcd confirms its leadership with a quorum before a linearizable read.
        job.committed = runtime_.now() + options_.quorum_round_trip;
        committing_.push_back(std::move(job));
        if (!commit_.armed()) commit_.start(options_.quorum_round_trip, [this] { committed(); });
    }
    serve();
}

void SimKvServer::committed() {
    while (!committing_.empty() && committing_.front().committed <= runtime_.now()) {
        const Job job = std::move(committing_.front());
        committing_.pop_front();
        execute(job);
    }
    if (committing_.empty()) return;
    commit_.start(until(committing_.front().committed), [this] { committed(); });
}

void SimKvServer::execute(const Job& job) {
    struct Execute {
        MvccStore& store;
        Instant now;
        using Body = decltype(KvResponse::body);
        Body operator()(const KvRequest::Range& range) const {
            return Result<KvRange>(store.range(range.prefix, now));
        }
        Body operator()(const KvTxn& txn) const { return store.txn(txn, now); }
        Body operator()(const KvRequest::Grant& grant) const { return store.grant(grant.ttl, now); }
        Body operator()(const KvRequest::KeepAlive& alive) const {
            return store.keep_alive(alive.lease, now);
        }
        Body operator()(const KvRequest::Revoke& revoke) const {
            return Result<Revision>(store.revoke(revoke.lease, now));
        }
        Body operator()(const KvRequest::Watch&) const { return never(); }
        Body operator()(const KvRequest::CancelWatch&) const { return never(); }
        static Body never() {
            CHECK(false);  // watches are not queued
            return Result<Revision>(0);
        }
    };
    const Revision before = store_.revision();
    auto body = std::visit(Execute{store_, runtime_.now()}, job.request->body);
    reply(job.stream, KvResponse{job.request->id, std::move(body)});
    publish(before);
}

void SimKvServer::reply(StreamId stream, KvReply reply) {
    const std::uint32_t bytes = message_bytes(reply);
    // False if the client is gone: what it asked for is done all the same.
    (void)streams_.send(stream, {bytes, std::make_shared<const KvReply>(std::move(reply))});
}

Result<KvTxnResult> SimKvServer::apply(const KvTxn& txn) {
    const Revision before = store_.revision();
    auto result = store_.txn(txn, runtime_.now());
    publish(before);
    return result;
}

Result<void> SimKvServer::compact(Revision at) {
    // As in etcd, a watcher that has seen everything is not hurt by compaction.
    for (auto& [key, watcher] : watchers_) {
        if (watcher.state == WatcherState::idle) {
            watcher.next = std::max(watcher.next, store_.revision() + 1);
        }
    }
    for (auto& [prefix, group] : groups_) group.batches.clear();
    return store_.compact(at);
}

void SimKvServer::compact_now() {
    if (store_.compacted() < store_.revision()) CHECK(compact(store_.revision()).has_value());
}

void SimKvServer::end_lease(KvLeaseId lease) {
    const Revision before = store_.revision();
    store_.revoke(lease, runtime_.now());
    publish(before);
}

// --- leader and restoration ----------------------------------------------------------------------

void SimKvServer::leader_gap(Duration lasts) {
    CHECK(lasts >= Duration{});
    gap_until_ = std::max(gap_until_, runtime_.now() + lasts);
    set_leader(false);
    gap_.start(until(gap_until_), [this] { set_leader(true); });
}

void SimKvServer::set_leader(bool present) {
    if (present == leader_) return;
    leader_ = present;
    gap_.stop();
    if (!present) {
        // What was in the leader's hands is taken up again by the next one.
        service_.stop();
        commit_.stop();
        pump_.stop();
        expiry_.stop();
        return;
    }
    store_.restart_leases(runtime_.now());
    arm_expiry();
    serve();
    committed();
    if (!ready_.empty()) pump_.start(options_.watch_send_time, [this] { pump(); });
}

void SimKvServer::restore(const MvccStore& held) {
    queue_.clear();
    committing_.clear();
    service_.stop();
    commit_.stop();
    pump_.stop();
    expiry_.stop();
    ready_.clear();
    watchers_.clear();
    groups_.clear();
    for (const StreamId client : std::exchange(clients_, {})) streams_.reset(client);
    store_.restore(held, runtime_.now());
    arm_expiry();
}

// --- watches -------------------------------------------------------------------------------------

void SimKvServer::add_watcher(StreamId stream, const KvRequest::Watch& watch) {
    const WatcherKey key{stream, watch.watch};
    const auto group = groups_.try_emplace(watch.prefix).first;
    const auto [at, added] = watchers_.try_emplace(key, Watcher{group, watch.from});
    if (!added) return;  // client numbers are not used twice: a foreign client's mistake
    reply(stream, KvWatchResponse{watch.watch, BatchPtr{}});
    make_ready(key, at->second);
}

void SimKvServer::remove_watcher(WatcherKey key) { watchers_.erase(key); }

void SimKvServer::stream_ended(StreamId stream, StreamEnd /*why*/) {
    clients_.erase(stream);
    const auto first = watchers_.lower_bound({stream, 0});
    auto last = first;
    while (last != watchers_.end() && last->first.first == stream) ++last;
    watchers_.erase(first, last);
}

void SimKvServer::stream_drained(StreamId stream) {
    for (auto at = watchers_.lower_bound({stream, 0});
         at != watchers_.end() && at->first.first == stream; ++at) {
        if (at->second.state == WatcherState::blocked) make_ready(at->first, at->second);
    }
}

void SimKvServer::make_ready(WatcherKey key, Watcher& watcher) {
    watcher.state = WatcherState::ready;
    ready_.push_back(key);
    if (leader_ && !pump_.armed()) pump_.start(options_.watch_send_time, [this] { pump(); });
}

/// The store may have moved on from revision `before`: whoever watches a changed key gets ready.
void SimKvServer::publish(Revision before) {
    arm_expiry();
    if (store_.revision() == before) return;
    const auto events = store_.log_since(before + 1);
    CHECK(events.has_value());
    for (auto& [prefix, group] : groups_) {
        if (group.idle.empty()) continue;
        const bool concerned = std::any_of(events->begin(), events->end(), [&](const KvEvent& e) {
            return e.entry->key.starts_with(prefix);
        });
        if (concerned) wake(group);
    }
}

void SimKvServer::wake(Group& group) {
    for (const WatcherKey& key : std::exchange(group.idle, {})) {
        const auto at = watchers_.find(key);
        if (at != watchers_.end()) make_ready(key, at->second);
    }
}

void SimKvServer::pump() {
    const WatcherKey key = ready_.front();
    ready_.pop_front();
    const auto at = watchers_.find(key);
    if (at != watchers_.end()) tell(key, at->second);
    if (!ready_.empty() && !pump_.armed()) {
        pump_.start(options_.watch_send_time, [this] { pump(); });
    }
}

void SimKvServer::tell(WatcherKey key, Watcher& watcher) {
    if (streams_.unacknowledged(key.first) > options_.stream.low_water) {
        watcher.state = WatcherState::blocked;
        return;
    }
    const auto batch = batch_for(watcher);
    if (!batch) {
        reply(key.first, KvWatchResponse{key.second, std::unexpected(batch.error())});
        remove_watcher(key);
        return;
    }
    const KvWatchUpdate& update = (*batch)->update;
    if (!update.events.empty()) {
        ++counters_.watch_responses;
        counters_.watch_events += update.events.size();
        reply(key.first, KvWatchResponse{key.second, *batch});
    }
    watcher.next = std::max(watcher.next, update.revision + 1);
    if (watcher.next <= store_.revision()) {
        make_ready(key, watcher);
    } else {
        watcher.state = WatcherState::idle;
        watcher.group->second.idle.push_back(key);
    }
}

Result<SimKvServer::BatchPtr> SimKvServer::batch_for(const Watcher& watcher) {
    Group& group = watcher.group->second;
    const auto cached = group.batches.find(watcher.next);
    if (cached != group.batches.end()) {
        const CachedBatch& candidate = cached->second;
        const bool full = candidate.batch->update.events.size() >= options_.watch_batch;
        if (full || candidate.head == store_.revision()) return candidate.batch;
    }
    auto batch = std::make_shared<KvWatchBatch>();
    OVERLAB_TRY(batch->update,
                store_.changes(watcher.group->first, watcher.next, options_.watch_batch));
    for (const KvEvent& event : batch->update.events) batch->bytes += encoded_bytes(event);
    if (group.batches.size() >= max_cached_batches) group.batches.clear();
    group.batches.insert_or_assign(watcher.next, CachedBatch{batch, store_.revision()});
    ++counters_.batches;
    return batch;
}

// --- expiry --------------------------------------------------------------------------------------

void SimKvServer::arm_expiry() {
    const auto next = store_.next_expiry();
    if (!leader_ || !next || (expiry_.armed() && expiry_at_ <= *next)) return;
    expiry_at_ = *next;
    expiry_.start(until(*next), [this] { expire(); });
}

void SimKvServer::expire() {
    const Revision before = store_.revision();
    store_.expire(runtime_.now());
    counters_.expired_revisions += static_cast<std::uint64_t>(store_.revision() - before);
    publish(before);
}

}  // namespace overlab::sim
