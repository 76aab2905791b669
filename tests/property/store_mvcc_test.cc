// MvccStore against a model that keeps a full copy of the store for every revision.
#include "models/store/mvcc_store.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "tests/support/property.h"

namespace overlab {
namespace {

using Keys = std::map<std::string, KeyValue>;

// As literal as the rules allow; nothing shared, nothing indexed.
struct NaiveStore {
    std::vector<Keys> at{{}, {}};  // at[r]: the store at revision r
    std::map<std::int64_t, std::pair<Duration, Instant>> leases;

    [[nodiscard]] Revision revision() const { return static_cast<Revision>(at.size()) - 1; }

    void expire(Instant now) {
        for (;;) {
            auto first = leases.end();
            for (auto it = leases.begin(); it != leases.end(); ++it) {
                if (first == leases.end() || it->second.second < first->second.second) first = it;
            }
            if (first == leases.end() || first->second.second > now) return;
            end(first->first);
        }
    }
    void end(std::int64_t lease) {
        leases.erase(lease);
        Keys next = at.back();
        if (std::erase_if(next, [&](const auto& e) { return e.second.lease.value == lease; }) > 0) {
            at.push_back(next);
        }
    }
    // True if the compares hold; the caller has seen to it that the writes are legal.
    bool txn(const KvTxn& txn) {
        for (const KvCompare& c : txn.compares) {
            const auto it = at.back().find(c.key);
            const KeyValue entry = it == at.back().end() ? KeyValue{} : it->second;
            const std::int64_t actual[] = {entry.version, entry.create_revision, entry.mod_revision,
                                           entry.lease.value};
            if (actual[static_cast<std::size_t>(c.target)] != c.equals) return false;
        }
        Keys next = at.back();
        for (const KvPut& p : txn.puts) {
            KeyValue& entry = next[p.key];
            entry.key = p.key;
            entry.value = p.value;
            entry.mod_revision = revision() + 1;
            if (entry.version++ == 0) entry.create_revision = revision() + 1;
            entry.lease = p.lease;
        }
        std::size_t gone = 0;
        for (const KvDelete& d : txn.deletes) gone += next.erase(d.key);
        if (!txn.puts.empty() || gone > 0) at.push_back(next);
        return true;
    }
};

constexpr std::string_view prefixes[] = {"", "k/", "k/1", "l/", "nothing"};

void expect_same_range(const KvRange& range, const Keys& keys, std::string_view prefix) {
    std::vector<KeyValue> expected;
    for (const auto& [key, entry] : keys) {
        if (key.starts_with(prefix)) expected.push_back(entry);
    }
    std::vector<KeyValue> actual;
    for (const auto& entry : range.entries) actual.push_back(*entry);
    RC_ASSERT(actual == expected);
}

// Applying the events to the store as it was must give the store as it is.
void expect_replay(const NaiveStore& naive, const MvccStore& store, Revision from,
                   std::string_view prefix, std::size_t batch) {
    Keys keys = naive.at[static_cast<std::size_t>(from - 1)];
    Revision seen = from - 1;
    while (seen < store.revision()) {
        const KvWatchUpdate update = store.changes(prefix, seen + 1, batch).value();
        RC_ASSERT(update.revision > seen);
        for (const KvEvent& event : update.events) {
            RC_ASSERT(event.entry->mod_revision > seen);
            RC_ASSERT(event.entry->mod_revision <= update.revision);
            RC_ASSERT(event.entry->key.starts_with(prefix));
            if (event.type == KvEvent::Type::put) {
                keys[event.entry->key] = *event.entry;
            } else {
                RC_ASSERT(keys.erase(event.entry->key) == 1);
            }
        }
        seen = update.revision;
        const Keys& expected = naive.at[static_cast<std::size_t>(seen)];
        for (const auto& [key, entry] : expected) {
            if (key.starts_with(prefix)) RC_ASSERT(keys.contains(key) && keys.at(key) == entry);
        }
        for (const auto& [key, entry] : keys) {
            if (key.starts_with(prefix)) RC_ASSERT(expected.contains(key));
        }
    }
}

class History {
   public:
    explicit History(std::uint64_t seed) : rng_(Rng::stream(seed, "history")) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            now_ = now_ + milliseconds(static_cast<std::int64_t>(rng_.below(1'500)));
            step();
            RC_ASSERT(store_.revision() == naive_.revision());
            compare();
        }
    }

   private:
    std::string key() {
        return std::string(rng_.chance(1, 4) ? "l/" : "k/") + std::to_string(rng_.below(12));
    }
    KvLeaseId lease() {
        if (naive_.leases.empty() || rng_.chance(1, 2)) return {};
        auto it = naive_.leases.begin();
        std::advance(it, rng_.below(naive_.leases.size()));
        return {it->first};
    }
    void step() {
        naive_.expire(now_);
        switch (rng_.below(8)) {
            case 0:
                grant();
                break;
            case 1:
                keep_alive();
                break;
            case 2:
                revoke();
                break;
            case 3:
                compact();
                break;
            default:
                txn();
        }
    }
    void grant() {
        const Duration ttl = seconds(1 + static_cast<std::int64_t>(rng_.below(9)));
        const auto id = store_.grant(ttl, now_);
        RC_ASSERT(id.has_value());
        RC_ASSERT(naive_.leases.try_emplace(id->value, ttl, now_ + ttl).second);
    }
    void keep_alive() {
        const KvLeaseId id = lease();
        const auto answer = store_.keep_alive(id, now_);
        RC_ASSERT(answer.has_value() == (id.value != 0));
        if (answer) naive_.leases[id.value].second = now_ + *answer;
    }
    void revoke() {
        const KvLeaseId id = lease();
        (void)store_.revoke(id, now_);  // its answer is compared as the store's revision
        if (id.value != 0) naive_.end(id.value);
    }
    void compact() {
        (void)store_.expire(now_);
        const auto at =
            static_cast<Revision>(rng_.below(static_cast<std::uint64_t>(store_.revision()))) + 1;
        if (!rng_.chance(1, 4)) return;
        RC_ASSERT(store_.compact(at).has_value() == (at > compacted_));
        compacted_ = std::max(compacted_, at);
    }
    void txn() {
        KvTxn txn;
        std::map<std::string, bool> used;
        const std::uint64_t writes = rng_.below(4);
        for (std::uint64_t i = 0; i < writes; ++i) {
            const std::string k = key();
            if (!used.emplace(k, true).second) continue;
            if (rng_.chance(2, 3)) {
                txn.puts.push_back({k, std::to_string(rng_.below(100)), lease()});
            } else {
                txn.deletes.push_back({k});
            }
        }
        if (rng_.chance(1, 3)) {
            txn.compares.push_back({key(), static_cast<KvCompare::Target>(rng_.below(4)),
                                    static_cast<std::int64_t>(rng_.below(3))});
        }
        const auto result = store_.txn(txn, now_);
        RC_ASSERT(result.has_value());
        RC_ASSERT(result->succeeded == naive_.txn(txn));
    }
    void compare() {
        for (const std::string_view prefix : prefixes) {
            expect_same_range(store_.range(prefix, now_), naive_.at.back(), prefix);
        }
        const auto some =
            static_cast<Revision>(rng_.below(static_cast<std::uint64_t>(store_.revision()))) + 1;
        const std::string_view prefix = prefixes[rng_.below(std::size(prefixes))];
        const auto range = store_.range_at(prefix, some);
        RC_ASSERT(range.has_value() == (some >= compacted_));
        RC_ASSERT(store_.changes(prefix, some).has_value() == (some >= compacted_));
        if (!range) return;
        expect_same_range(*range, naive_.at[static_cast<std::size_t>(some)], prefix);
        expect_replay(naive_, store_, some, prefix, 1 + rng_.below(5));
    }

    Rng rng_;
    Instant now_;
    MvccStore store_;
    NaiveStore naive_;
    Revision compacted_ = 0;
};

}  // namespace

TEST_CASE("Any history leaves the store as the naive model has it, now and at every old revision") {
    test::holds([](std::uint64_t seed) { History(seed).run(120); }, 60);
}

}  // namespace overlab
