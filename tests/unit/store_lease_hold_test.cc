// Keeping, giving back and watching leases.
#include <memory>
#include <string>
#include <vector>

#include "tests/support/lease_world.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

using test::LeaseHost;
using test::LeaseWorld;
using test::subnets;

const std::string other = R"({"PublicIP":"192.0.2.99","PublicIPv6":null})";

// A host that holds a lease.
struct Holding : LeaseWorld {
    LeaseHost host{*this, "host-1", "192.0.2.1"};
    Holding() {
        host.acquire();
        REQUIRE(host.settle());
        REQUIRE(host.last.has_value());
    }
    [[nodiscard]] std::string key() const { return lease_key(host.last->lease->subnet); }
    Result<void> release(const HeldLease& held) {
        Result<void> result = fail(ErrorKind::unavailable, "no answer");
        host.store->release(held, [&](Result<void> answer) { result = answer; });
        REQUIRE(runtime.run_for(seconds(1)));
        return result;
    }
};

std::vector<std::string> keys(const std::map<LeaseSubnet, LeasePtr>& leases) {
    std::vector<std::string> out;
    for (const auto& [subnet, lease] : leases) out.push_back(lease_key(subnet));
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("Renewal prolongs the lease without an event for the watchers") {
    Holding world;
    const Revision revision = world.server.store().revision();
    for (int day = 0; day < 5; ++day) {
        REQUIRE(world.runtime.run_for(hours(23)));
        const Instant asked = world.runtime.now();

        world.host.renew();
        REQUIRE(world.host.settle());

        REQUIRE(world.host.last.has_value());
        CHECK(world.host.last->expires == asked + hours(24));
    }
    CHECK(world.server.store().revision() == revision);
    CHECK(world.entries().size() == 1);
}

TEST_CASE("Renewal says what became of a lease that is not ours any more") {
    struct Row {
        std::string what;
        ErrorKind expected;
    };
    const Row rows[] = {{"expired", ErrorKind::not_found},
                        {"deleted", ErrorKind::not_found},
                        {"rewritten by another owner", ErrorKind::already_exists},
                        {"expired, then taken by another owner", ErrorKind::already_exists},
                        {"store away", ErrorKind::unavailable}};
    for (const Row& row : rows) {
        CAPTURE(row.what);
        Holding world;
        const std::string key = subnets + world.key();
        if (row.what.starts_with("expired")) REQUIRE(world.runtime.run_for(hours(25)));
        if (row.what == "deleted") world.write(key, "");
        if (row.what.ends_with("another owner")) world.write(key, other, world.grant(hours(24)));
        if (row.what == "store away") world.host.kv.set_connected(false);
        const auto before = world.entries();

        world.host.renew();
        REQUIRE(world.host.settle());

        REQUIRE_FALSE(world.host.last.has_value());
        CHECK(world.host.last.error().kind == row.expected);
        CHECK(world.entries() == before);
    }
}

TEST_CASE("A reservation is renewed by looking, and never expires") {
    LeaseWorld world;
    world.write(subnets + "10.244.9.0-24",
                R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"})");
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.acquire();
    REQUIRE(host.settle());
    REQUIRE(world.runtime.run_for(hours(1000)));

    host.renew();
    REQUIRE(host.settle());

    REQUIRE(host.last.has_value());
    CHECK(host.last->reservation);
    world.write(subnets + "10.244.9.0-24", other);
    host.renew();
    REQUIRE(host.settle());
    CHECK(host.last.error().kind == ErrorKind::already_exists);
}

TEST_CASE("Release deletes what is still ours and nothing else") {
    SECTION("ours") {
        Holding world;
        REQUIRE(world.release(*world.host.last).has_value());
        CHECK(world.entries().empty());
        CHECK(world.server.store().lease_count() == 0);
        CHECK(world.release(*world.host.last).has_value());
    }
    SECTION("rewritten") {
        Holding world;
        world.write(subnets + world.key(), other);
        CHECK(world.release(*world.host.last).has_value());
        CHECK(world.entries().size() == 1);
    }
    SECTION("a reservation") {
        LeaseWorld world;
        world.write(subnets + "10.244.9.0-24", other);
        LeaseHost host(world, "host-99", "192.0.2.99");
        host.acquire();
        REQUIRE(host.settle());
        bool done = false;
        host.store->release(*host.last,
                            [&](const Result<void>& answer) { done = answer.has_value(); });
        REQUIRE(world.runtime.run_for(seconds(1)));
        CHECK(done);
        CHECK(world.entries().size() == 1);
    }
}

TEST_CASE("A watch begins with all leases and goes on with every change") {
    LeaseWorld world;
    LeaseHost watcher(world, "host-1", "192.0.2.1");
    const KvLeaseId lease = world.grant(hours(1));
    world.write(subnets + "10.244.5.0-24", other, lease);
    world.write(subnets + "10.244.6.0-24", other);
    world.write("/coreos.com/network/subnets-old/10.244.7.0-24", other);

    watcher.watch();
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(watcher.snapshots == 1);
    CHECK(keys(watcher.seen) == Texts{"10.244.5.0-24", "10.244.6.0-24"});

    world.write(subnets + "10.244.8.0-24", other);
    world.write(subnets + "10.244.6.0-24", "");
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(keys(watcher.seen) == Texts{"10.244.5.0-24", "10.244.8.0-24"});

    REQUIRE(world.runtime.run_for(hours(2)));
    CHECK(keys(watcher.seen) == Texts{"10.244.8.0-24"});
    CHECK(watcher.snapshots == 1);
}

TEST_CASE("A lease deleted and put again within one update is only added") {
    LeaseWorld world;
    LeaseHost watcher(world, "host-1", "192.0.2.1");
    world.write(subnets + "10.244.5.0-24", other);
    watcher.watch();
    REQUIRE(world.runtime.run_for(seconds(1)));
    watcher.updates.clear();

    world.write(subnets + "10.244.5.0-24", "");
    world.write(subnets + "10.244.5.0-24", R"({"PublicIP":"192.0.2.7"})");
    world.write(subnets + "10.244.6.0-24", other);
    world.write(subnets + "10.244.6.0-24", "");
    REQUIRE(world.runtime.run_for(seconds(1)));

    REQUIRE(watcher.updates.size() == 1);
    const LeaseUpdate& update = watcher.updates[0];
    REQUIRE(update.added.size() == 1);
    CHECK(update.added[0]->attributes.public_ip.to_string() == "192.0.2.7");
    REQUIRE(update.removed.size() == 1);
    CHECK(lease_key(update.removed[0]) == "10.244.6.0-24");
}

TEST_CASE("Malformed entries are reported and cost no other lease") {
    LeaseWorld world;
    LeaseHost watcher(world, "host-1", "192.0.2.1");
    world.write(subnets + "10.244.5.0-24", other);
    world.write(subnets + "10.244.6.0-24", "garbage");
    world.write(subnets + "garbage", other);
    watcher.watch();
    REQUIRE(world.runtime.run_for(seconds(1)));

    REQUIRE(watcher.updates.size() == 1);
    CHECK(watcher.updates[0].malformed.size() == 2);
    CHECK(keys(watcher.seen) == Texts{"10.244.5.0-24"});

    world.write(subnets + "10.244.6.0-24", other);
    world.write(subnets + "more-garbage", "x");
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(watcher.updates[1].malformed.size() == 1);
    CHECK(keys(watcher.seen) == Texts{"10.244.5.0-24", "10.244.6.0-24"});

    // A lease that becomes unreadable is gone, as it would be from a snapshot.
    world.write(subnets + "10.244.5.0-24", "{}");
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(watcher.updates[2].malformed.size() == 1);
    CHECK(keys(watcher.seen) == Texts{"10.244.6.0-24"});
}

TEST_CASE("A broken stream is resumed without a snapshot and without a gap") {
    LeaseWorld world;
    LeaseHost watcher(world, "host-1", "192.0.2.1");
    watcher.watch();
    REQUIRE(world.runtime.run_for(seconds(1)));

    world.server.break_watches();
    world.write(subnets + "10.244.5.0-24", other);
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(keys(watcher.seen) == Texts{"10.244.5.0-24"});

    watcher.kv.set_connected(false);
    REQUIRE(world.runtime.run_for(minutes(10)));
    world.write(subnets + "10.244.5.0-24", "");
    world.write(subnets + "10.244.6.0-24", other);
    watcher.kv.set_connected(true);
    REQUIRE(world.runtime.run_for(seconds(11)));

    CHECK(keys(watcher.seen) == Texts{"10.244.6.0-24"});
    CHECK(watcher.snapshots == 1);
}

TEST_CASE("Compaction while cut off is mended by a fresh snapshot") {
    LeaseWorld world;
    LeaseHost watcher(world, "host-1", "192.0.2.1");
    world.write(subnets + "10.244.5.0-24", other);
    watcher.watch();
    REQUIRE(world.runtime.run_for(seconds(1)));

    watcher.kv.set_connected(false);
    world.write(subnets + "10.244.5.0-24", "");
    world.write(subnets + "10.244.6.0-24", other);
    world.compact();
    watcher.kv.set_connected(true);
    REQUIRE(world.runtime.run_for(seconds(1)));

    CHECK(keys(watcher.seen) == Texts{"10.244.6.0-24"});
    CHECK(watcher.snapshots == 2);
    world.write(subnets + "10.244.7.0-24", other);
    REQUIRE(world.runtime.run_for(seconds(1)));
    CHECK(keys(watcher.seen) == Texts{"10.244.6.0-24", "10.244.7.0-24"});
}

TEST_CASE("A watch right after acquiring needs no second reading and shows the own lease") {
    LeaseWorld world;
    world.write(subnets + "10.244.5.0-24", other);
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.acquire();
    REQUIRE(host.settle());
    const std::uint64_t calls = host.kv.calls();

    host.watch();
    CHECK(host.updates.empty());
    REQUIRE(world.runtime.run_for(seconds(1)));

    CHECK(host.kv.calls() == calls + 1);
    REQUIRE_FALSE(host.updates.empty());
    CHECK(host.updates[0].snapshot);
    CHECK(host.updates[0].added.size() == 2);
    CHECK(host.seen.contains(host.last->lease->subnet));
    CHECK(host.seen.size() == 2);
}

TEST_CASE("A second watch replaces the first") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    int first = 0;
    host.store->watch([&](const LeaseUpdate&) {
        ++first;
        host.watch();
    });
    REQUIRE(world.runtime.run_for(seconds(1)));
    world.write(subnets + "10.244.5.0-24", other);
    REQUIRE(world.runtime.run_for(seconds(1)));

    CHECK(first == 1);
    CHECK(keys(host.seen) == Texts{"10.244.5.0-24"});
}

TEST_CASE("All watchers of a process share one decoded lease") {
    LeaseWorld world;
    std::vector<std::unique_ptr<LeaseHost>> hosts;
    for (int i = 0; i < 20; ++i) {
        hosts.push_back(
            std::make_unique<LeaseHost>(world, "host-" + std::to_string(i), "192.0.2.1"));
        hosts.back()->watch();
    }
    REQUIRE(world.runtime.run_for(seconds(1)));
    for (int i = 0; i < 10; ++i) {
        world.write(subnets + "10.244." + std::to_string(i) + ".0-24", other);
    }
    REQUIRE(world.runtime.run_for(seconds(1)));

    CHECK(world.decoder.parsed() == 10);
    for (const auto& host : hosts) CHECK(host->seen == hosts[0]->seen);
}

TEST_CASE("A decoder forgets the oldest entry first and answers the same afterwards") {
    LeaseDecoder decoder(3);
    std::vector<KeyValuePtr> entries;
    for (int i = 0; i < 5; ++i) {
        KeyValue entry;
        entry.key = subnets + "10.244." + std::to_string(i) + ".0-24";
        entry.value = i == 2 ? "garbage" : other;
        entry.mod_revision = 7;
        entries.push_back(std::make_shared<const KeyValue>(entry));
    }
    const auto decode = [&](std::size_t i) { return decoder.decode(entries[i]); };
    for (std::size_t i = 0; i < 3; ++i) (void)decode(i);
    CHECK(decoder.parsed() == 3);
    CHECK_FALSE(decode(2).has_value());
    CHECK(decode(0).value() == decode(0).value());
    CHECK(decoder.parsed() == 3);

    (void)decode(3);
    CHECK(decode(1).has_value());
    CHECK(decoder.parsed() == 4);
    CHECK(decode(0).value()->subnet.to_string() == "10.244.0.0/24");
    CHECK(decoder.parsed() == 5);

    // The same revision and key from another store is not mistaken.
    KeyValue twin = *entries[3];
    twin.value = R"({"PublicIP":"192.0.2.3"})";
    CHECK(decoder.decode(std::make_shared<const KeyValue>(twin))
              .value()
              ->attributes.public_ip.to_string() == "192.0.2.3");
}

}  // namespace overlab
