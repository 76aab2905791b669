#include "models/store/mvcc_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include "models/base/check.h"

namespace overlab {
namespace {

// Keeps every instant far from the end of the clock's range.
constexpr Duration max_ttl = hours(std::int64_t{24} * 365 * 100);

constexpr Duration whole_seconds(Duration ttl) {
    return seconds((ttl.ns + seconds(1).ns - 1) / seconds(1).ns);
}

bool starts_before(const KvEvent& event, Revision revision) {
    return event.entry->mod_revision < revision;
}

}  // namespace

const KeyValue* MvccStore::find(const std::string& key) const {
    const auto found = keys_.find(key);
    return found == keys_.end() ? nullptr : found->second.back().entry.get();
}

KvRange MvccStore::range(std::string_view prefix, Instant now) {
    expire(now);
    KvRange out{.revision = revision_, .entries = {}};
    for (auto at = keys_.lower_bound(prefix); at != keys_.end() && at->first.starts_with(prefix);
         ++at) {
        const KeyValuePtr& entry = at->second.back().entry;
        if (entry) out.entries.push_back(entry);
    }
    return out;
}

Result<KvRange> MvccStore::range_at(std::string_view prefix, Revision at) const {
    if (at < compacted_) {
        return fail(ErrorKind::compacted,
                    fmt::format("store: revision {} is compacted (up to {})", at, compacted_));
    }
    if (at > revision_) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("store: revision {} is yet to come, now at {}", at, revision_));
    }
    KvRange out{.revision = at, .entries = {}};
    for (auto it = keys_.lower_bound(prefix); it != keys_.end() && it->first.starts_with(prefix);
         ++it) {
        const History& history = it->second;
        const auto after = std::ranges::upper_bound(history, at, {}, &Version::revision);
        if (after == history.begin()) continue;
        const KeyValuePtr& entry = std::prev(after)->entry;
        if (entry) out.entries.push_back(entry);
    }
    return out;
}

bool MvccStore::holds(const KvCompare& compare) const {
    const KeyValue* entry = find(compare.key);
    const auto actual = [&]() -> std::int64_t {
        if (entry == nullptr) return 0;
        switch (compare.target) {
            case KvCompare::Target::version:
                return entry->version;
            case KvCompare::Target::create_revision:
                return entry->create_revision;
            case KvCompare::Target::mod_revision:
                return entry->mod_revision;
            case KvCompare::Target::lease:
                return entry->lease.value;
        }
        return -1;
    };
    return actual() == compare.equals;
}

Result<void> MvccStore::check_writes(const KvTxn& txn) const {
    std::set<std::string_view> written;
    for (const KvPut& put : txn.puts) {
        if (!written.insert(put.key).second) {
            return fail(ErrorKind::invalid_argument,
                        fmt::format("key {}: duplicate key given in txn request", put.key));
        }
    }
    for (const KvDelete& gone : txn.deletes) {
        // Two deletions of one key are fine in etcd; a put and a deletion are not.
        if (written.contains(gone.key)) {
            return fail(ErrorKind::invalid_argument,
                        fmt::format("key {}: duplicate key given in txn request", gone.key));
        }
    }
    return {};
}

Result<KvTxnResult> MvccStore::txn(const KvTxn& txn, Instant now) {
    expire(now);
    if (auto checked = check_writes(txn); !checked) return std::unexpected(checked.error());
    KvTxnResult result;
    result.succeeded =
        std::ranges::all_of(txn.compares, [&](const KvCompare& c) { return holds(c); });
    if (!result.succeeded) {
        std::set<std::string_view> seen;
        for (const KvCompare& compare : txn.compares) {
            const auto found = keys_.find(compare.key);
            if (found == keys_.end() || !found->second.back().entry) continue;
            if (seen.insert(compare.key).second)
                result.current.push_back(found->second.back().entry);
        }
        result.revision = revision_;
        return result;
    }
    for (const KvPut& write : txn.puts) {
        if (write.lease.value != 0 && !leases_.contains(write.lease)) {
            return fail(ErrorKind::not_found, fmt::format("key {}: requested lease {} not found",
                                                          write.key, write.lease.value));
        }
    }
    const Revision next = revision_ + 1;
    bool changed = !txn.puts.empty();
    for (const KvPut& write : txn.puts) put(write, next);
    for (const KvDelete& gone : txn.deletes) changed = remove(gone.key, next) || changed;
    if (changed) revision_ = next;
    result.revision = revision_;
    return result;
}

void MvccStore::put(const KvPut& put, Revision at) {
    History& history = keys_[put.key];
    const KeyValuePtr before = history.empty() ? nullptr : history.back().entry;
    KeyValue entry{.key = put.key,
                   .value = put.value,
                   .create_revision = before ? before->create_revision : at,
                   .mod_revision = at,
                   .version = before ? before->version + 1 : 1,
                   .lease = put.lease};
    history.push_back({at, std::make_shared<const KeyValue>(std::move(entry))});
    log_.push_back({.type = KvEvent::Type::put, .entry = history.back().entry});
    attach(put.key, before ? before->lease : KvLeaseId{}, put.lease);
}

bool MvccStore::remove(const std::string& key, Revision at) {
    const auto found = keys_.find(key);
    if (found == keys_.end() || !found->second.back().entry) return false;
    attach(key, found->second.back().entry->lease, {});
    found->second.push_back({at, nullptr});
    KeyValue gone;
    gone.key = key;
    gone.mod_revision = at;
    log_.push_back({.type = KvEvent::Type::remove,
                    .entry = std::make_shared<const KeyValue>(std::move(gone))});
    return true;
}

void MvccStore::attach(const std::string& key, KvLeaseId from, KvLeaseId to) {
    if (from == to) return;
    // A lease that is being ended is out of the map already.
    if (const auto old = leases_.find(from); old != leases_.end()) old->second.keys.erase(key);
    if (to.value == 0) return;
    const auto lease = leases_.find(to);
    CHECK(lease != leases_.end());
    lease->second.keys.insert(key);
}

Result<KvLeaseId> MvccStore::grant(Duration ttl, Instant now) {
    expire(now);
    if (ttl <= Duration{} || ttl > max_ttl) {
        return fail(
            ErrorKind::invalid_argument,
            fmt::format("lease: time to live of {} ns, expected more than 0 and at most {} h",
                        ttl.ns, max_ttl.ns / hours(1).ns));
    }
    const KvLeaseId id{++last_lease_};
    const Duration rounded = whole_seconds(ttl);
    leases_.emplace(id, LeaseRecord{.ttl = rounded, .expires = now + rounded, .keys = {}});
    expiries_.emplace(now + rounded, id);
    return id;
}

Result<Duration> MvccStore::keep_alive(KvLeaseId lease, Instant now) {
    expire(now);
    const auto found = leases_.find(lease);
    if (found == leases_.end()) {
        return fail(ErrorKind::not_found,
                    fmt::format("lease {}: requested lease not found", lease.value));
    }
    LeaseRecord& record = found->second;
    expiries_.erase({record.expires, lease});
    record.expires = now + record.ttl;
    expiries_.emplace(record.expires, lease);
    return record.ttl;
}

Revision MvccStore::revoke(KvLeaseId lease, Instant now) {
    expire(now);
    if (const auto found = leases_.find(lease); found != leases_.end()) end_lease(found);
    return revision_;
}

bool MvccStore::end_lease(std::map<KvLeaseId, LeaseRecord>::iterator lease) {
    expiries_.erase({lease->second.expires, lease->first});
    const std::set<std::string> keys = std::move(lease->second.keys);
    leases_.erase(lease);
    if (keys.empty()) return false;
    ++revision_;
    for (const std::string& key : keys) CHECK(remove(key, revision_));
    return true;
}

bool MvccStore::expire(Instant now) {
    bool changed = false;
    while (!expiries_.empty() && expiries_.begin()->first <= now) {
        const auto lease = leases_.find(expiries_.begin()->second);
        CHECK(lease != leases_.end());
        changed = end_lease(lease) || changed;
    }
    return changed;
}

std::optional<Instant> MvccStore::next_expiry() const {
    if (expiries_.empty()) return std::nullopt;
    return expiries_.begin()->first;
}

void MvccStore::restart_leases(Instant now) {
    expiries_.clear();
    for (auto& [id, record] : leases_) {
        record.expires = now + record.ttl;
        expiries_.emplace(record.expires, id);
    }
}

void MvccStore::restore(const MvccStore& held, Instant now) {
    const std::int64_t last_lease = std::max(last_lease_, held.last_lease_);
    *this = held;
    last_lease_ = last_lease;
    restart_leases(now);
}

Result<void> MvccStore::compact(Revision at) {
    if (at <= compacted_) {
        return fail(ErrorKind::compacted,
                    fmt::format("store: revision {} is compacted (up to {})", at, compacted_));
    }
    if (at > revision_) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("store: revision {} is yet to come, now at {}", at, revision_));
    }
    compacted_ = at;
    for (auto key = keys_.begin(); key != keys_.end();) {
        History& history = key->second;
        auto keep = std::ranges::upper_bound(history, at, {}, &Version::revision);
        if (keep != history.begin() && std::prev(keep)->entry) --keep;  // still there at `at`
        history.erase(history.begin(), keep);
        key = history.empty() ? keys_.erase(key) : std::next(key);
    }
    log_.erase(log_.begin(), std::ranges::lower_bound(log_, at, {}, [](const KvEvent& e) {
                   return e.entry->mod_revision;
               }));
    return {};
}

Result<std::span<const KvEvent>> MvccStore::log_since(Revision from) const {
    if (from < compacted_) {
        return fail(ErrorKind::compacted,
                    fmt::format("store: revision {} is compacted (up to {})", from, compacted_));
    }
    // Watchers that keep up ask for the last few events, so the common answer needs no search.
    if (from > revision_) return std::span<const KvEvent>{};
    const auto begin = std::lower_bound(log_.begin(), log_.end(), from, starts_before);
    return std::span<const KvEvent>(begin, log_.end());
}

Result<KvWatchUpdate> MvccStore::changes(std::string_view prefix, Revision from,
                                         std::size_t max_events) const {
    OVERLAB_TRY(const auto events, log_since(from));
    KvWatchUpdate update{.revision = std::max(revision_, from - 1), .events = {}};
    for (const KvEvent& event : events) {
        if (!event.entry->key.starts_with(prefix)) continue;
        const bool new_revision =
            update.events.empty() ||
            update.events.back().entry->mod_revision != event.entry->mod_revision;
        if (new_revision && update.events.size() >= max_events && !update.events.empty()) {
            update.revision = event.entry->mod_revision - 1;
            break;
        }
        update.events.push_back(event);
    }
    return update;
}

}  // namespace overlab
