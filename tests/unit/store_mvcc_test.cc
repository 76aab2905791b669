// etcd's rules one by one. Random histories against a naive model:
// tests/property/store_mvcc_test.cc.
#include "models/store/mvcc_store.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace overlab {
namespace {

constexpr Instant start{};

KvTxn put(std::string key, std::string value, KvLeaseId lease = {}) {
    return {.compares = {}, .puts = {{std::move(key), std::move(value), lease}}, .deletes = {}};
}
KvTxn remove(std::string key) {
    return {.compares = {}, .puts = {}, .deletes = {{std::move(key)}}};
}

Revision apply(MvccStore& store, const KvTxn& txn, Instant now = start) {
    const auto result = store.txn(txn, now);
    REQUIRE(result.has_value());
    REQUIRE(result->succeeded);
    return result->revision;
}

KvLeaseId grant(MvccStore& store, Duration ttl, Instant now = start) {
    const auto lease = store.grant(ttl, now);
    REQUIRE(lease.has_value());
    return *lease;
}

// `a=1 c2 m5 v3 l7`: key, value, create and mod revision, version, lease.
std::string text(const KeyValue& e) {
    return fmt::format("{}={} c{} m{} v{} l{}", e.key, e.value, e.create_revision, e.mod_revision,
                       e.version, e.lease.value);
}
std::vector<std::string> text(const KvRange& range) {
    std::vector<std::string> out;
    for (const auto& entry : range.entries) out.push_back(text(*entry));
    return out;
}
std::vector<std::string> text(const KvWatchUpdate& update) {
    std::vector<std::string> out;
    for (const KvEvent& e : update.events) {
        const bool is_put = e.type == KvEvent::Type::put;
        out.push_back(
            fmt::format("{}{}@{}", is_put ? "+" : "-", e.entry->key, e.entry->mod_revision));
    }
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Each changing transaction takes one revision, whatever it changes") {
    MvccStore store;
    CHECK(store.revision() == 1);

    CHECK(apply(store, put("a", "1")) == 2);
    CHECK(apply(store,
                {.compares = {}, .puts = {{"b", "1", {}}, {"c", "1", {}}}, .deletes = {{"a"}}}) ==
          3);
    CHECK(apply(store, remove("a")) == 3);
    CHECK(apply(store, {}) == 3);

    CHECK(text(store.range("", start)) == Texts{"b=1 c3 m3 v1 l0", "c=1 c3 m3 v1 l0"});
}

TEST_CASE("Versions count from creation and start anew after a delete") {
    MvccStore store;
    apply(store, put("a", "1"));
    apply(store, put("a", "2"));
    CHECK(text(store.range("a", start)) == Texts{"a=2 c2 m3 v2 l0"});

    apply(store, remove("a"));
    apply(store, put("a", "3"));

    CHECK(text(store.range("a", start)) == Texts{"a=3 c5 m5 v1 l0"});
}

TEST_CASE("A range answers the keys with the prefix in key order, now or at an old revision") {
    MvccStore store;
    apply(store, put("n/b", "1"));
    apply(store, put("n/a", "1"));
    apply(store, put("n", "1"));
    apply(store, put("o", "1"));
    apply(store, remove("n/b"));

    CHECK(text(store.range("n/", start)) == Texts{"n/a=1 c3 m3 v1 l0"});
    CHECK(text(store.range_at("n/", 3).value()) == Texts{"n/a=1 c3 m3 v1 l0", "n/b=1 c2 m2 v1 l0"});
    CHECK(text(store.range_at("n/", 1).value()).empty());
    CHECK(store.range_at("n/", 7).error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("Compares see an absent key as zero and decide all or nothing") {
    using Target = KvCompare::Target;
    MvccStore store;
    const KvLeaseId lease = grant(store, seconds(10));
    apply(store, put("a", "1", lease));
    struct Row {
        std::string what;
        KvCompare compare;
        bool holds;
    };
    const Row rows[] = {
        {"absent: version 0", {"z", Target::version, 0}, true},
        {"absent: create revision 0", {"z", Target::create_revision, 0}, true},
        {"absent: mod revision 0", {"z", Target::mod_revision, 0}, true},
        {"absent: lease 0", {"z", Target::lease, 0}, true},
        {"absent is not version 1", {"z", Target::version, 1}, false},
        {"version", {"a", Target::version, 1}, true},
        {"not version 0", {"a", Target::version, 0}, false},
        {"create revision", {"a", Target::create_revision, 2}, true},
        {"mod revision", {"a", Target::mod_revision, 2}, true},
        {"other mod revision", {"a", Target::mod_revision, 1}, false},
        {"lease", {"a", Target::lease, lease.value}, true},
        {"other lease", {"a", Target::lease, 0}, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto result =
            store.txn({.compares = {row.compare}, .puts = {}, .deletes = {}}, start);

        REQUIRE(result.has_value());
        CHECK(result->succeeded == row.holds);
    }

    const KvTxn two{.compares = {{"z", Target::version, 0}, {"a", Target::version, 9}},
                    .puts = {{"z", "1", {}}},
                    .deletes = {}};
    const auto result = store.txn(two, start);
    REQUIRE(result.has_value());
    CHECK_FALSE(result->succeeded);
    CHECK(result->revision == 2);
    REQUIRE(result->current.size() == 1);
    CHECK(text(*result->current[0]) == "a=1 c2 m2 v1 l1");
    CHECK(store.range("z", start).entries.empty());
}

TEST_CASE("A key may not be changed twice in one transaction") {
    MvccStore store;
    const KvTxn puts{.compares = {}, .puts = {{"a", "1", {}}, {"a", "2", {}}}, .deletes = {}};
    const KvTxn both{.compares = {}, .puts = {{"a", "1", {}}}, .deletes = {{"a"}}};

    for (const KvTxn& txn : {puts, both}) {
        const auto result = store.txn(txn, start);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().kind == ErrorKind::invalid_argument);
        CHECK_THAT(result.error().what, Catch::Contains("duplicate key given in txn request"));
    }
    CHECK(store.revision() == 1);
    CHECK(apply(store, {.compares = {}, .puts = {}, .deletes = {{"a"}, {"a"}}}) == 1);
}

TEST_CASE("A put that names an unknown lease fails the whole transaction") {
    MvccStore store;
    const KvTxn txn{.compares = {}, .puts = {{"a", "1", {}}, {"b", "1", {77}}}, .deletes = {}};

    const auto result = store.txn(txn, start);

    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().kind == ErrorKind::not_found);
    CHECK(store.revision() == 1);

    KvTxn unmet = txn;
    unmet.compares = {{"a", KvCompare::Target::version, 5}};
    REQUIRE(store.txn(unmet, start).has_value());
    CHECK_FALSE(store.txn(unmet, start)->succeeded);
}

TEST_CASE("An expired lease takes its keys along, in key order, at one revision") {
    MvccStore store;
    const KvLeaseId lease = grant(store, seconds(10));
    apply(store, put("b", "1", lease));
    apply(store, put("a", "1", lease));
    apply(store, put("c", "1"));
    CHECK(store.next_expiry() == start + seconds(10));

    CHECK_FALSE(store.expire(start + seconds(10) - nanoseconds(1)));
    CHECK(store.expire(start + seconds(10)));

    CHECK(store.revision() == 5);
    CHECK(text(store.changes("", 5).value()) == Texts{"-a@5", "-b@5"});
    CHECK_FALSE(store.next_expiry().has_value());
    const KeyValue& gone = *store.changes("", 5).value().events[0].entry;
    CHECK(text(gone) == "a= c0 m5 v0 l0");
}

TEST_CASE("Every call notices expiry by itself") {
    MvccStore store;
    const KvLeaseId lease = grant(store, seconds(10));
    apply(store, put("a", "1", lease));

    CHECK(store.range("a", start + seconds(10)).entries.empty());
    CHECK(store.keep_alive(lease, start + seconds(10)).error().kind == ErrorKind::not_found);
}

TEST_CASE("Each expired lease takes a revision of its own, one without keys none") {
    MvccStore store;
    const KvLeaseId later = grant(store, seconds(20));
    const KvLeaseId sooner = grant(store, seconds(10));
    (void)grant(store, seconds(5));
    apply(store, put("a", "1", later));
    apply(store, put("b", "1", sooner));

    store.expire(start + minutes(1));

    CHECK(text(store.changes("", 4).value()) == Texts{"-b@4", "-a@5"});
    CHECK(store.lease_count() == 0);
}

TEST_CASE("Keep-alive starts the time anew") {
    MvccStore store;
    const KvLeaseId lease = grant(store, milliseconds(9'001));
    apply(store, put("a", "1", lease));

    CHECK(store.keep_alive(lease, start + seconds(8)).value() == seconds(10));

    CHECK(store.next_expiry() == start + seconds(18));
    CHECK(store.range("a", start + seconds(17)).entries.size() == 1);
    CHECK(store.keep_alive({99}, start).error().kind == ErrorKind::not_found);
}

TEST_CASE("A put moves its key from lease to lease") {
    MvccStore store;
    const KvLeaseId first = grant(store, seconds(10));
    const KvLeaseId second = grant(store, seconds(20));
    apply(store, put("a", "1", first));
    apply(store, put("b", "1", first));
    apply(store, put("a", "2", second));
    apply(store, put("b", "2"));

    CHECK_FALSE(store.expire(start + seconds(10)));
    CHECK(store.range("", start + seconds(15)).entries.size() == 2);
    CHECK(store.expire(start + seconds(20)));
    CHECK(text(store.range("", start + hours(9))) == Texts{"b=2 c3 m5 v2 l0"});
}

TEST_CASE("A deleted and re-created key is no longer its old lease's") {
    MvccStore store;
    const KvLeaseId lease = grant(store, seconds(10));
    apply(store, put("a", "1", lease));
    apply(store, remove("a"));
    apply(store, put("a", "2"));

    CHECK(store.revoke(lease, start) == 4);
    CHECK(store.range("a", start).entries.size() == 1);
}

TEST_CASE("Revoking deletes the keys; an unknown lease is success") {
    MvccStore store;
    const KvLeaseId lease = grant(store, seconds(10));
    apply(store, put("a", "1", lease));

    CHECK(store.revoke(lease, start) == 3);
    CHECK(store.revoke(lease, start) == 3);
    CHECK(store.range("a", start).entries.empty());
}

TEST_CASE("Leases of no time or of centuries are refused") {
    MvccStore store;
    for (const Duration ttl : {Duration{}, seconds(-1), hours(24 * 365 * 101)}) {
        CHECK(store.grant(ttl, start).error().kind == ErrorKind::invalid_argument);
    }
    CHECK(store.grant(nanoseconds(1), start).has_value());
    CHECK(store.next_expiry() == start + seconds(1));
}

TEST_CASE("A watcher is told whole revisions, in order, of its prefix only") {
    MvccStore store;
    apply(store, put("n/a", "1"));
    apply(store, {.compares = {},
                  .puts = {{"n/c", "1", {}}, {"n/b", "1", {}}, {"o", "1", {}}},
                  .deletes = {{"n/a"}}});
    apply(store, put("n/d", "1"));

    CHECK(text(store.changes("n/", 2).value()) ==
          Texts{"+n/a@2", "+n/c@3", "+n/b@3", "-n/a@3", "+n/d@4"});
    CHECK(store.changes("n/", 2).value().revision == 4);

    const KvWatchUpdate batch = store.changes("n/", 2, 2).value();
    CHECK(text(batch) == Texts{"+n/a@2", "+n/c@3", "+n/b@3", "-n/a@3"});
    CHECK(batch.revision == 3);

    CHECK(store.changes("p", 2).value().events.empty());
    CHECK(store.changes("p", 2).value().revision == 4);
    CHECK(store.changes("n/", 9).value().revision == 8);
}

TEST_CASE("Compaction forgets what was before, not what is") {
    MvccStore store;
    apply(store, put("a", "1"));
    apply(store, put("b", "1"));
    apply(store, put("a", "2"));
    apply(store, remove("b"));
    apply(store, put("a", "3"));

    REQUIRE(store.compact(5).has_value());

    CHECK(text(store.range("", start)) == Texts{"a=3 c2 m6 v3 l0"});
    CHECK(text(store.range_at("", 5).value()) == Texts{"a=2 c2 m4 v2 l0"});
    CHECK(store.range_at("", 4).error().kind == ErrorKind::compacted);
    CHECK(store.changes("", 4).error().kind == ErrorKind::compacted);
    CHECK(text(store.changes("", 5).value()) == Texts{"-b@5", "+a@6"});
    CHECK(store.compact(5).error().kind == ErrorKind::compacted);
    CHECK(store.compact(7).error().kind == ErrorKind::invalid_argument);
    CHECK(apply(store, put("b", "2")) == 7);
    CHECK(text(store.range("b", start)) == Texts{"b=2 c7 m7 v1 l0"});
}

}  // namespace overlab
