// What the defects of taking and keeping a lease do at the lease store's port.
#include <memory>
#include <set>

#include <fmt/format.h>

#include "tests/support/catch.h"
#include "tests/support/defect_lab.h"

using namespace overlab;
using namespace overlab::test;

namespace {

const std::string other = R"({"PublicIP":"192.0.2.99","PublicIPv6":null})";

/// A host whose lease store has defects.
struct Faulty {
    Faulty(LeaseWorld& in, const std::string& name, std::string_view public_ip,
           std::vector<std::string> names, Duration ttl = hours(24))
        : world(in), kv(in.runtime, in.server, milliseconds(1)), defects(in.runtime, names) {
        KvLeaseStoreOptions options{.lease_ttl = ttl, .host = name};
        defects.layers.adjust(options);
        inner.emplace(in.runtime, kv, in.decoder, options);
        store = &defects.layers.around(*inner, kv);
        attributes.public_ip = Ipv4Address::parse(public_ip).value();
        attributes.backend_type = "host-gw";
    }
    void acquire() {
        answered = false;
        store->acquire(world.network, attributes, {}, [this](Result<HeldLease> a) { take(a); });
    }
    void renew() {
        answered = false;
        store->renew(last.value(), [this](Result<HeldLease> a) { take(a); });
    }
    void take(const Result<HeldLease>& answer) {
        answered = true;
        last = answer;
    }
    [[nodiscard]] bool held(Duration deadline = minutes(1)) {
        return world.runtime.run_until_true([this] { return answered; },
                                            world.runtime.now() + deadline) &&
               last.has_value();
    }
    [[nodiscard]] std::string key() const { return lease_key(last->lease->subnet); }

    LeaseWorld& world;
    LocalKvStore kv;
    DefectLab defects;
    std::optional<KvLeaseStore> inner;
    LeaseStore* store = nullptr;
    LeaseAttributes attributes;
    bool answered = false;
    Result<HeldLease> last = fail(ErrorKind::not_found, "nothing asked yet");
};

struct Storm {
    std::size_t leases = 0;
    std::size_t deaths = 0;
};

/// `count` hosts ask at one instant.
Storm storm(std::size_t count, const std::vector<std::string>& names) {
    LeaseWorld world;
    world.network = parse_network_config(R"({"Network":"10.0.0.0/12","SubnetLen":24})").config;
    std::vector<std::unique_ptr<Faulty>> hosts;
    for (std::size_t i = 0; i < count; ++i) {
        hosts.push_back(std::make_unique<Faulty>(
            world, fmt::format("h{}", i), fmt::format("192.0.{}.{}", i / 200, i % 200), names));
        hosts.back()->acquire();
    }
    REQUIRE(world.runtime.run_for(minutes(5)));
    Storm out;
    std::set<LeaseSubnet> subnets_held;
    for (const auto& host : hosts) {
        if (host->last) subnets_held.insert(host->last->lease->subnet);
        out.deaths += host->defects.deaths.size();
    }
    out.leases = subnets_held.size();
    return out;
}

}  // namespace

TEST_CASE("no defect: whoever starts in a storm has a lease of its own", "[defect]") {
    const Storm all = storm(100, {});
    CHECK(all.leases == 100);
    CHECK(all.deaths == 0);
}

TEST_CASE("no-conflict-retry: the first lost race ends the agent", "[defect]") {
    const Storm all = storm(100, {"no-conflict-retry"});
    CHECK(all.leases + all.deaths == 100);
    // Of 100 that draw among 100, 63 are alone or first: 1 - (1 - 1/100)^100.
    CHECK(all.deaths > 25);
    CHECK(all.deaths < 50);
}

TEST_CASE("ten-conflict-tries: nine races may be lost", "[defect]") {
    CHECK(storm(100, {"ten-conflict-tries"}).deaths == 0);
    const Storm large = storm(600, {"ten-conflict-tries"});
    CHECK(large.leases + large.deaths == 600);
    CHECK(large.leases > 500);
}

TEST_CASE("a node with few tries takes its old lease again", "[defect]") {
    LeaseWorld world;
    Faulty first(world, "h1", "192.0.2.1", {});
    first.acquire();
    REQUIRE(first.held());

    Faulty again(world, "h1", "192.0.2.1", {"no-conflict-retry"});
    again.acquire();

    REQUIRE(again.held());
    CHECK(again.key() == first.key());
    CHECK(world.entries().size() == 1);
}

TEST_CASE("unconditional-renew: a stale owner writes over the new one", "[defect]") {
    LeaseWorld world;
    Faulty host(world, "h1", "192.0.2.1", {"unconditional-renew"}, seconds(30));
    host.acquire();
    REQUIRE(host.held());
    std::vector<LeaseUpdate> updates;
    host.store->watch([&](const LeaseUpdate& update) { updates.push_back(update); });
    REQUIRE(world.runtime.run_for(seconds(40)));
    REQUIRE(world.entries().empty());
    world.write(subnets + host.key(), other);
    REQUIRE(world.runtime.run_for(seconds(1)));

    host.renew();

    REQUIRE(host.held());
    CHECK(world.entries().at(host.key()).value == lease_value(host.attributes));
    CHECK(host.last->expires > world.runtime.now() + seconds(29));
    // Its own subnet is not among what its watch tells, whoever wrote it.
    REQUIRE(updates.size() >= 1);
    CHECK(updates.front().added.size() == 1);
    for (std::size_t i = 1; i < updates.size(); ++i) {
        CHECK(updates[i].added.empty());
        CHECK(updates[i].removed.empty());
    }
}

TEST_CASE("lost-lease-kept: a lease that is gone is held all the same", "[defect]") {
    LeaseWorld world;
    Faulty host(world, "h1", "192.0.2.1", {"lost-lease-kept"}, seconds(30));
    host.acquire();
    REQUIRE(host.held());
    REQUIRE(world.runtime.run_for(seconds(40)));

    SECTION("nobody has it") {
        host.renew();
        REQUIRE(host.held());
        CHECK(world.entries().empty());
    }
    SECTION("somebody else has it") {
        world.write(subnets + host.key(), other);
        host.renew();
        REQUIRE(host.held());
        CHECK(world.entries().at(host.key()).value == other);
    }
    SECTION("the store does not answer") {
        host.kv.set_connected(false);
        host.renew();
        REQUIRE(host.held());
    }
    CHECK(host.last->expires > world.runtime.now());
}

TEST_CASE("leases-never-expire: a dead host's lease outlives it", "[defect]") {
    LeaseWorld world;
    Faulty host(world, "h1", "192.0.2.1", {"leases-never-expire"}, seconds(30));
    host.acquire();
    REQUIRE(host.held());

    REQUIRE(world.runtime.run_for(hours(24 * 365 * 50)));

    CHECK(world.entries().size() == 1);
}
