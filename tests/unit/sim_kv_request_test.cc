#include "sim/kv_messages.h"
#include "tests/support/kv_cluster.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

TEST_CASE("requests reach the store through packets and their answers come back") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();

    const auto put = cluster.put(store, "/a/1", "one");
    REQUIRE(put.has_value());
    CHECK(put->revision == 2);
    const auto range = cluster.range(store, "/a/");
    REQUIRE(range.has_value());
    REQUIRE(range->entries.size() == 1);
    CHECK(range->entries[0]->value == "one");

    std::optional<Result<KvTxnResult>> lost;
    KvTxn create = put_of("/a/1", "two");
    create.compares.push_back({"/a/1", KvCompare::Target::version, 0});
    store.txn(create, [&](Result<KvTxnResult> result) { lost = std::move(result); });
    const auto conflict = cluster.await(lost);
    REQUIRE(conflict.has_value());
    CHECK_FALSE(conflict->succeeded);
    CHECK(conflict->current.at(0)->value == "one");

    const auto unknown = cluster.put(store, "/a/2", "x", KvLeaseId{77});
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().kind == ErrorKind::not_found);
}

TEST_CASE("the answer takes the round trip and the service time") {
    struct Row {
        const char* name;
        Duration quorum;
        bool write;
        std::int64_t expect_us;
    };
    // One way 100 us.
    const std::vector<Row> rows{{"a write, single member", {}, true, 200 + 200},
                                {"a read, single member", {}, false, 200 + 20},
                                {"a write, three members", microseconds(500), true, 200 + 700},
                                {"a read, three members", microseconds(500), false, 200 + 520}};
    for (const Row& row : rows) {
        INFO(row.name);
        SimKvServerOptions options;
        options.quorum_round_trip = row.quorum;
        KvCluster cluster(1, options);
        cluster.network.delay = microseconds(100);
        SimKvStore& store = cluster.add_client();
        REQUIRE(cluster.put(store, "/warm", "up").has_value());
        REQUIRE(cluster.runtime.run_for(seconds(1)));
        const Instant asked = cluster.runtime.now();

        if (row.write) {
            REQUIRE(cluster.put(store, "/k", "v").has_value());
        } else {
            REQUIRE(cluster.range(store, "/k").has_value());
        }

        CHECK((cluster.runtime.now() - asked).ns == row.expect_us * 1000);
    }
}

TEST_CASE("writes of many clients are served one after the other") {
    KvCluster cluster;
    int answered = 0;
    for (int i = 0; i < 50; ++i) {
        cluster.add_client().txn(
            put_of("/n/" + std::to_string(i), "v"),
            [&](const Result<KvTxnResult>& result) { answered += result ? 1 : 0; });
    }

    REQUIRE(cluster.runtime.run_for(milliseconds(5)));
    CHECK(answered >= 23);
    CHECK(answered <= 25);
    REQUIRE(cluster.runtime.run_for(milliseconds(6)));
    CHECK(answered == 50);
    CHECK(cluster.server.store().revision() == 51);
}

TEST_CASE("without a path a request fails after 5 s, and after it is back it works again") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();
    REQUIRE(cluster.put(store, "/k", "1").has_value());
    REQUIRE(cluster.runtime.run_for(seconds(1)));
    cluster.network.isolate(KvCluster::store_address);
    const Instant cut = cluster.runtime.now();

    const auto lost = cluster.put(store, "/k", "2");
    REQUIRE_FALSE(lost.has_value());
    CHECK(lost.error().kind == ErrorKind::unavailable);
    CHECK(lost.error().what.starts_with("store 192.0.2.1 from host node-0: "));
    CHECK(cluster.runtime.now() - cut == seconds(5));
    CHECK_FALSE(store.connected());

    cluster.network.join(KvCluster::store_address);
    CHECK(cluster.put(store, "/k", "3").has_value());
    CHECK(cluster.range(store, "/k")->entries.at(0)->value == "3");
}

TEST_CASE("a store that is not there is tried for with a back-off, seeded by the host's name") {
    const auto syn_times = [](std::uint64_t seed) {
        KvCluster cluster(seed);
        cluster.network.isolate(KvCluster::store_address);
        SimKvStore& store = cluster.add_client();
        std::vector<std::int64_t> times;
        std::uint16_t last_port = 0;
        cluster.network.tap = [&](const Frame& frame, Ipv4Address, Endpoint, Transport) {
            const std::uint16_t from_port = load_be16(frame.data());
            if (from_port != last_port) times.push_back(cluster.runtime.now().ns);
            last_port = from_port;
        };
        std::function<void()> ask = [&] {
            store.range("/", [&](const Result<KvRange>& result) {
                REQUIRE_FALSE(result.has_value());
                ask();
            });
        };
        ask();
        REQUIRE(cluster.runtime.run_for(seconds(60)));
        return times;
    };

    const auto times = syn_times(1);

    REQUIRE(times.size() >= 6);
    // Each attempt lasts 5 s; the pause before the next doubles from 100 ms, give or take a fifth.
    std::int64_t pause_ms = 100;
    for (std::size_t i = 1; i < times.size(); ++i) {
        const std::int64_t waited = (times[i] - times[i - 1]) / 1'000'000 - 5'000;
        INFO("attempt " << i << " after " << waited << " ms");
        CHECK(waited >= pause_ms * 8 / 10);
        CHECK(waited <= pause_ms * 12 / 10);
        pause_ms = std::min<std::int64_t>(pause_ms * 2, 5'000);
    }
    CHECK(syn_times(1) == times);
    CHECK(syn_times(2) != times);
}

TEST_CASE("leases end in the store although nobody asks, and their keys with them") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();
    const KvLeaseId lease = cluster.grant(store, seconds(10)).value();
    REQUIRE(cluster.put(store, "/leased", "v", lease).has_value());
    cluster.clients.clear();

    REQUIRE(cluster.runtime.run_for(milliseconds(9'990)));
    CHECK(cluster.server.store().revision() == 2);
    REQUIRE(cluster.runtime.run_for(milliseconds(20)));

    CHECK(cluster.server.store().revision() == 3);
    CHECK(cluster.server.store().lease_count() == 0);
    CHECK(cluster.server.counters().expired_revisions == 1);
}

TEST_CASE("in a leader gap nothing is answered; afterwards everything is, in order") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();
    REQUIRE(cluster.put(store, "/k", "0").has_value());
    std::vector<Revision> revisions;
    cluster.server.leader_gap(milliseconds(1500));
    const Instant end = cluster.runtime.now() + milliseconds(1500);

    for (const char* value : {"1", "2", "3"}) {
        store.txn(put_of("/k", value), [&](const Result<KvTxnResult>& result) {
            revisions.push_back(result.value().revision);
        });
    }
    REQUIRE(cluster.runtime.run_until(end));
    CHECK(revisions.empty());
    REQUIRE(cluster.runtime.run_for(milliseconds(2)));

    CHECK(revisions == std::vector<Revision>{3, 4, 5});
}

TEST_CASE("destroying the client drops its callbacks, also from inside one of them") {
    KvCluster cluster;
    int called = 0;
    SECTION("from outside, while requests and a watch are under way") {
        SimKvStore& store = cluster.add_client();
        store.range("/", [&](const Result<KvRange>&) { ++called; });
        store.watch("/", 1, [&](const Result<KvWatchUpdate>&) { ++called; });
        REQUIRE(cluster.runtime.run_for(microseconds(120)));
        cluster.clients.clear();
        REQUIRE(cluster.runtime.run_for(minutes(1)));
        CHECK(called == 0);
    }
    SECTION("from inside, with other answers at the same instant") {
        SimKvStore& store = cluster.add_client();
        for (int i = 0; i < 3; ++i) {
            store.range("/", [&](const Result<KvRange>&) {
                ++called;
                cluster.clients.clear();
            });
        }
        REQUIRE(cluster.runtime.run_for(minutes(1)));
        CHECK(called == 1);
    }
    CHECK(cluster.server.clients() == 0);
    CHECK(cluster.runtime.pending() == 0);
}

TEST_CASE("messages are as large as etcd's") {
    const auto entry = std::make_shared<const KeyValue>(
        KeyValue{"/coreos.com/network/subnets/10.244.1.0-24", std::string(160, 'x'), 100, 100, 1,
                 KvLeaseId{5}});
    const auto value_bytes = static_cast<std::uint32_t>(entry->key.size() + entry->value.size());
    const KvRequest put{1, put_of(entry->key, entry->value, KvLeaseId{5})};
    const KvReply none = KvResponse{1, Result<KvRange>(KvRange{100, {}})};
    const KvReply many = KvResponse{1, Result<KvRange>(KvRange{100, {1000, entry}})};

    // Key and value, 5 bytes of their own tags and lengths, 10 of the lease id, 6 of nesting, 41
    // around.
    CHECK(message_bytes(put) == value_bytes + 5 + 10 + 6 + 41);
    // 36 of HTTP/2 and gRPC, 28 of response header.
    CHECK(message_bytes(none) == 36 + 28);
    // Each entry: key, value, tags, revisions, version, lease id, nesting.
    CHECK((message_bytes(many) - message_bytes(none)) / 1000 == value_bytes + 5 + 6 + 10 + 3);
    CHECK(encoded_bytes({KvEvent::Type::put, entry}) == value_bytes + 5 + 6 + 10 + 3 + 3);
}
