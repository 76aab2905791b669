#include "tests/contract/kv_store_contract.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"

namespace overlab::test {
namespace {

constexpr Duration long_enough = seconds(1);  // for any answer and any watch event

// Calls that wait for their answer, and check that it does not come inside the call.
class Asker {
   public:
    explicit Asker(KvFixture& world) : world_(world) {}

    template <typename T, typename Ask>
    Result<T> wait(Ask ask) {
        std::optional<Result<T>> answer;
        ask([&answer](Result<T> result) {
            CHECK_FALSE(answer.has_value());
            answer = std::move(result);
        });
        CHECK_FALSE(answer.has_value());
        REQUIRE(world_.pass_until(long_enough, [&] { return answer.has_value(); }));
        return std::move(*answer);
    }

    Result<KvTxnResult> txn(const KvTxn& txn) {
        return wait<KvTxnResult>([&](auto done) { world_.client().txn(txn, done); });
    }
    Revision put(const std::string& key, const std::string& value, KvLeaseId lease = {}) {
        const auto result = txn({.compares = {}, .puts = {{key, value, lease}}, .deletes = {}});
        REQUIRE(result.has_value());
        REQUIRE(result->succeeded);
        return result->revision;
    }
    KvRange range(const std::string& prefix) {
        const auto result = wait<KvRange>([&](auto done) { world_.client().range(prefix, done); });
        REQUIRE(result.has_value());
        return *result;
    }
    KvLeaseId grant(Duration ttl) {
        const auto lease = wait<KvLeaseId>([&](auto done) { world_.client().grant(ttl, done); });
        REQUIRE(lease.has_value());
        REQUIRE(lease->value != 0);
        return *lease;
    }

   private:
    KvFixture& world_;
};

// What a watch was told, as `put k=v@r` and `remove k@r`.
struct Told {
    std::vector<std::string> events;
    std::optional<Error> error;
    Revision seen = 0;

    auto listener() {
        return [this](const Result<KvWatchUpdate>& update) {
            CHECK_FALSE(error.has_value());
            if (!update) {
                error = update.error();
                return;
            }
            CHECK(update->revision >= seen);
            for (const KvEvent& event : update->events) {
                CHECK(event.entry->mod_revision > seen);
                CHECK(event.entry->mod_revision <= update->revision);
                const bool is_put = event.type == KvEvent::Type::put;
                events.push_back((is_put ? "put " + event.entry->key + "=" + event.entry->value
                                         : "remove " + event.entry->key) +
                                 "@" + std::to_string(event.entry->mod_revision));
            }
            seen = update->revision;
        };
    }
};

using Texts = std::vector<std::string>;

void transactions(KvFixture& world) {
    Asker ask(world);
    CHECK(ask.range("").revision == 1);
    CHECK(ask.put("k/1", "one") == 2);

    const KvTxn create{.compares = {{"k/1", KvCompare::Target::version, 0}},
                       .puts = {{"k/1", "two", {}}},
                       .deletes = {}};
    const auto lost = ask.txn(create);
    REQUIRE(lost.has_value());
    CHECK_FALSE(lost->succeeded);
    CHECK(lost->revision == 2);
    REQUIRE(lost->current.size() == 1);
    CHECK(*lost->current[0] == KeyValue{"k/1", "one", 2, 2, 1, {}});

    const KvTxn swap{.compares = {{"k/1", KvCompare::Target::mod_revision, 2}},
                     .puts = {{"k/2", "two", {}}, {"k/0", "zero", {}}},
                     .deletes = {{"k/1"}}};
    const auto won = ask.txn(swap);
    REQUIRE(won.has_value());
    CHECK(won->succeeded);
    CHECK(won->revision == 3);
    const KvRange range = ask.range("k/");
    CHECK(range.revision == 3);
    REQUIRE(range.entries.size() == 2);
    CHECK(*range.entries[0] == KeyValue{"k/0", "zero", 3, 3, 1, {}});
    CHECK(*range.entries[1] == KeyValue{"k/2", "two", 3, 3, 1, {}});

    const auto unknown_lease =
        ask.txn({.compares = {}, .puts = {{"k/3", "x", {4711}}}, .deletes = {}});
    REQUIRE_FALSE(unknown_lease.has_value());
    CHECK(unknown_lease.error().kind == ErrorKind::not_found);
}

void leases(KvFixture& world) {
    Asker ask(world);
    const Duration ttl = world.lease_ttl();
    const KvLeaseId lease = ask.grant(ttl);
    const Revision put = ask.put("k/1", "one", lease);
    Told told;
    world.client().watch("k/", put + 1, told.listener());
    for (int i = 0; i < 3; ++i) {
        world.pass(ttl * 6 / 10);
        const auto answer =
            ask.wait<Duration>([&](auto done) { world.client().keep_alive(lease, done); });
        CHECK(answer.value() == ttl);
    }
    CHECK(ask.range("k/").entries.size() == 1);
    CHECK(told.events.empty());
    CHECK(world.pass_until(ttl * 12 / 10, [&] { return !told.events.empty(); }));
    CHECK(told.events == Texts{"remove k/1@" + std::to_string(put + 1)});
    CHECK(ask.range("k/").entries.empty());
    const auto late =
        ask.wait<Duration>([&](auto done) { world.client().keep_alive(lease, done); });
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::not_found);

    const KvLeaseId second = ask.grant(seconds(100));
    ask.put("k/2", "two", second);
    for (int i = 0; i < 2; ++i) {
        const auto gone =
            ask.wait<Revision>([&](auto done) { world.client().revoke(second, done); });
        CHECK(gone.has_value());
    }
    CHECK(ask.range("k/").entries.empty());

    const auto refused = ask.wait<KvLeaseId>([&](auto done) { world.client().grant({}, done); });
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::invalid_argument);
}

void watches(KvFixture& world) {
    Asker ask(world);
    Told all, late, other;
    ask.put("k/1", "one");
    world.client().watch("k/", 2, all.listener());
    world.other_client().watch("l/", 2, other.listener());
    CHECK(world.pass_until(long_enough, [&] { return !all.events.empty(); }));
    CHECK(all.events == Texts{"put k/1=one@2"});

    const KvLeaseId lease = ask.grant(world.lease_ttl());
    ask.put("k/2", "two", lease);
    ask.put("l/1", "elsewhere");
    (void)ask.txn({.compares = {}, .puts = {{"k/3", "three", {}}}, .deletes = {{"k/1"}}});
    const KvWatchId second = world.client().watch("k/", 4, late.listener());
    CHECK(world.pass_until(world.lease_ttl() * 12 / 10, [&] {
        return all.events.size() == 5 && late.events.size() == 3 && !other.events.empty();
    }));

    CHECK(all.events == Texts{"put k/1=one@2", "put k/2=two@3", "put k/3=three@5", "remove k/1@5",
                              "remove k/2@6"});
    CHECK(late.events == Texts{"put k/3=three@5", "remove k/1@5", "remove k/2@6"});
    CHECK(other.events == Texts{"put l/1=elsewhere@4"});

    world.client().cancel_watch(second);
    world.client().cancel_watch(second);
    ask.put("k/4", "four");
    CHECK(world.pass_until(long_enough, [&] { return all.events.size() == 6; }));
    CHECK(late.events.size() == 3);
    CHECK(all.events.back() == "put k/4=four@7");
    CHECK_FALSE(all.error.has_value());
}

void compaction(KvFixture& world) {
    Asker ask(world);
    Told behind, current;
    for (int i = 0; i < 5; ++i) ask.put("k/1", std::to_string(i));
    world.compact();
    world.client().watch("k/", 3, behind.listener());
    world.client().watch("k/", 6, current.listener());
    CHECK(world.pass_until(long_enough,
                           [&] { return behind.error.has_value() && !current.events.empty(); }));
    ask.put("k/1", "new");
    CHECK(world.pass_until(long_enough, [&] { return current.events.size() == 2; }));

    REQUIRE(behind.error.has_value());
    CHECK(behind.error->kind == ErrorKind::compacted);
    CHECK(behind.events.empty());
    CHECK(current.events == Texts{"put k/1=4@6", "put k/1=new@7"});
    const KvRange range = ask.range("k/");
    REQUIRE(range.entries.size() == 1);
    CHECK(*range.entries[0] == KeyValue{"k/1", "new", 2, 7, 6, {}});
}

void destruction(KvFixture& world) {
    Told told;
    int answers = 0;
    {
        Asker ask(world);
        ask.put("k/1", "one");
    }
    world.client().watch("k/", 2, told.listener());
    world.client().range("k/", [&](const Result<KvRange>&) { ++answers; });
    world.client().txn({.compares = {}, .puts = {{"k/2", "two", {}}}, .deletes = {}},
                       [&](const Result<KvTxnResult>&) { ++answers; });
    world.destroy_client();
    world.pass(world.a_long_time());

    CHECK(answers == 0);
    CHECK(told.events.empty());
    CHECK_FALSE(told.error.has_value());
}

}  // namespace

void kv_store_contract(const KvFactory& make) {
    const auto world = make();
    SECTION("transactions are all or nothing and tell what they met") { transactions(*world); }
    SECTION("leases live from keep-alive to keep-alive and take their keys along") {
        leases(*world);
    }
    SECTION("watches tell every change of their prefix once, in order") { watches(*world); }
    SECTION("a watch from a compacted revision ends with that error") { compaction(*world); }
    SECTION("a destroyed client calls nobody") { destruction(*world); }
}

}  // namespace overlab::test
