#include "tests/support/kv_cluster.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

std::vector<std::string> puts(int first, int last) {
    std::vector<std::string> expected;
    for (int i = first; i <= last; ++i) expected.push_back("put /n/" + std::to_string(i) + "=v");
    return expected;
}

/// As an operator at the store, without packets.
void put_at_store(KvCluster& cluster, int number) {
    const auto done = cluster.server.apply(put_of("/n/" + std::to_string(number), "v"));
    REQUIRE(done.has_value());
}

}  // namespace

TEST_CASE("a watch tells what was, then what comes, of its prefix only") {
    KvCluster cluster;
    put_at_store(cluster, 1);
    put_at_store(cluster, 2);
    ResumingWatcher watcher(cluster.add_client(), "/n/", 2);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    CHECK(watcher.seen == puts(1, 2));

    REQUIRE(cluster.server.apply(put_of("/other", "x")).has_value());
    put_at_store(cluster, 3);
    const Instant put_at = cluster.runtime.now();
    REQUIRE(cluster.runtime.run_until_true([&] { return watcher.seen.size() == 3; },
                                           put_at + seconds(1)));

    CHECK(watcher.seen == puts(1, 3));
    CHECK((cluster.runtime.now() - put_at).ns == 52'000);  // one way and the time to send
}

TEST_CASE("a watch from a revision yet to come starts there") {
    KvCluster cluster;
    ResumingWatcher watcher(cluster.add_client(), "/n/", 4);
    for (int i = 1; i <= 4; ++i) {
        put_at_store(cluster, i);
        REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    }
    CHECK(watcher.seen == puts(3, 4));
}

TEST_CASE("what happened meanwhile comes in responses of at most watch_batch events") {
    SimKvServerOptions options;
    options.watch_batch = 10;
    KvCluster cluster(1, options);
    for (int i = 1; i <= 35; ++i) put_at_store(cluster, i);

    ResumingWatcher watcher(cluster.add_client(), "/n/", 1);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));

    CHECK(watcher.seen == puts(1, 35));
    CHECK(watcher.batch_sizes == std::vector<std::size_t>{10, 10, 10, 5});
}

TEST_CASE("one revision is never cut, however large") {
    SimKvServerOptions options;
    options.watch_batch = 10;
    KvCluster cluster(1, options);
    KvTxn large;
    for (int i = 1; i <= 25; ++i) large.puts.push_back({"/n/" + std::to_string(i), "v", {}});
    REQUIRE(cluster.server.apply(large).has_value());
    put_at_store(cluster, 26);

    ResumingWatcher watcher(cluster.add_client(), "/n/", 1);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));

    CHECK(watcher.batch_sizes == std::vector<std::size_t>{25, 1});
}

TEST_CASE("after a partition the watch resumes, missing nothing and repeating nothing") {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        INFO("seed " << seed);
        KvCluster cluster(seed);
        cluster.network.loss_percent = 5;
        ResumingWatcher watcher(cluster.add_client(), "/n/", 1);
        int number = 0;
        const auto keep_putting = [&](Duration span) {
            const Instant end = cluster.runtime.now() + span;
            while (cluster.runtime.now() < end) {
                put_at_store(cluster, ++number);
                REQUIRE(cluster.runtime.run_for(milliseconds(70)));
            }
        };

        keep_putting(seconds(3));
        cluster.network.isolate(KvCluster::node_address(0));
        keep_putting(seconds(50));
        CHECK(watcher.breaks >= 1);
        CHECK(watcher.seen.size() < static_cast<std::size_t>(number));
        cluster.network.join(KvCluster::node_address(0));
        keep_putting(seconds(20));
        REQUIRE(cluster.runtime.run_for(seconds(20)));

        CHECK(watcher.seen == puts(1, number));
        CHECK(cluster.server.watchers() == 1);
    }
}

TEST_CASE("a client behind a slow path is passed over until it reads, then told in batches") {
    KvCluster cluster;
    cluster.network.delay = milliseconds(400);
    ResumingWatcher far(cluster.add_client(), "/n/", 1);
    REQUIRE(cluster.runtime.run_for(seconds(3)));
    const std::string large(3000, 'x');

    for (int i = 1; i <= 500; ++i) {
        REQUIRE(cluster.server.apply(put_of("/n/" + std::to_string(i), large)).has_value());
        REQUIRE(cluster.runtime.run_for(milliseconds(1)));
    }
    REQUIRE(cluster.runtime.run_for(seconds(30)));

    CHECK(far.seen.size() == 500);
    CHECK(far.batch_sizes.size() < 100);
    CHECK(far.breaks == 0);
}

TEST_CASE("a watch from a compacted revision ends so; one that is up to date is not hurt") {
    KvCluster cluster;
    ResumingWatcher current(cluster.add_client(), "/n/", 1);
    for (int i = 1; i <= 5; ++i) put_at_store(cluster, i);
    for (int i = 0; i < 5; ++i) REQUIRE(cluster.server.apply(put_of("/other", "x")).has_value());
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    REQUIRE(cluster.server.compact(cluster.server.store().revision()).has_value());

    ResumingWatcher late(cluster.add_client(), "/n/", 3);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    REQUIRE(late.ended.has_value());
    CHECK(late.ended->kind == ErrorKind::compacted);

    put_at_store(cluster, 6);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    CHECK(current.seen == puts(1, 6));
    CHECK_FALSE(current.ended.has_value());
    CHECK(cluster.server.watchers() == 1);
}

TEST_CASE("a cancelled watch is not told anything more, and the store forgets it") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();
    int told = 0;
    KvWatchId watch = 0;
    watch = store.watch("/n/", 1, [&](const Result<KvWatchUpdate>&) {
        ++told;
        store.cancel_watch(watch);
    });
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));
    CHECK(cluster.server.watchers() == 1);

    for (int i = 1; i <= 3; ++i) put_at_store(cluster, i);
    REQUIRE(cluster.runtime.run_for(milliseconds(10)));

    CHECK(told == 1);
    CHECK(cluster.server.watchers() == 0);
}

TEST_CASE("expiry reaches the watchers") {
    KvCluster cluster;
    SimKvStore& store = cluster.add_client();
    ResumingWatcher watcher(cluster.add_client(), "/n/", 1);
    const KvLeaseId lease = cluster.grant(store, seconds(2)).value();
    REQUIRE(cluster.put(store, "/n/1", "v", lease).has_value());

    REQUIRE(cluster.runtime.run_for(seconds(3)));

    CHECK(watcher.seen == std::vector<std::string>{"put /n/1=v", "remove /n/1"});
}

TEST_CASE("boot of 1,000 nodes at once: revisions are combined and batches shared") {
    constexpr std::uint32_t nodes = 1000;
    KvCluster cluster;
    std::vector<std::unique_ptr<ResumingWatcher>> watchers;
    std::size_t joined = 0;
    const std::string value(160, 'x');
    for (std::uint32_t i = 0; i < nodes; ++i) {
        SimKvStore& store = cluster.add_client();
        // A node reads what is there, writes its own lease and watches from what it has read.
        store.range("/n/", [&, i](const Result<KvRange>& range) {
            REQUIRE(range.has_value());
            watchers.push_back(
                std::make_unique<ResumingWatcher>(*cluster.clients[i], "/n/", range->revision + 1));
            cluster.clients[i]->txn(put_of("/n/" + std::to_string(i), value),
                                    [&](const Result<KvTxnResult>& r) { joined += r ? 1 : 0; });
        });
    }

    REQUIRE(cluster.runtime.run_for(seconds(10)));

    CHECK(joined == nodes);
    for (const auto& watcher : watchers) {
        CHECK(watcher->seen.size() >= nodes - 100);
        CHECK(watcher->breaks == 0);
    }
    const KvServerCounters& counters = cluster.server.counters();
    CAPTURE(counters.watch_responses, counters.batches, cluster.network.frames());
    CHECK(counters.watch_events >= 900U * nodes);
    CHECK(counters.watch_events / counters.watch_responses >= 5);
    CHECK(counters.watch_responses / counters.batches >= 5);
}
