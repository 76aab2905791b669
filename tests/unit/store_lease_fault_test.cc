// The k-th call to the store is lost, on its way there or back, for every k that a run makes.
// Whatever k is, hosts end with one lease each, and nothing of a failed attempt stays behind.
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

struct Start {
    std::string what;
    std::string key, value;  // in the store before; "" for none
    Duration ttl;            // of its etcd lease; 0: a reservation
};

const Start starts[] = {
    {"a new lease", "", "", {}},
    {"an unchanged lease", "10.244.7.0-24",
     R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"})", hours(24)},
    {"a changed lease", "10.244.7.0-24", R"({"PublicIP":"192.0.2.1","PublicIPv6":null})",
     hours(24)},
    {"a reservation", "10.244.7.0-24", R"({"PublicIP":"192.0.2.1","PublicIPv6":null})", {}},
    {"a lease outside the network", "10.9.7.0-24", R"({"PublicIP":"192.0.2.1","PublicIPv6":null})",
     hours(24)},
};

void prepare(LeaseWorld& world, const Start& start) {
    if (start.key.empty()) return;
    world.write(subnets + start.key, start.value,
                start.ttl == Duration{} ? KvLeaseId{} : world.grant(start.ttl));
}

// What the host does in every run: acquire, watch, renew a day later. As a node would, it asks
// again when the answer is `unavailable`.
void live_a_day(LeaseHost& host) {
    const auto until_answered = [&](auto ask) {
        for (int tries = 0; tries < 5; ++tries) {
            ask();
            REQUIRE(host.settle());
            if (host.last || host.last.error().kind != ErrorKind::unavailable) break;
        }
    };
    until_answered([&] { host.acquire(); });
    REQUIRE(host.last.has_value());
    host.watch();
    REQUIRE(host.world.runtime.run_for(hours(23)));
    const HeldLease held = *host.last;
    until_answered([&] {
        host.last = held;
        host.renew();
    });
    REQUIRE(host.world.runtime.run_for(hours(23)));
}

void expect_one_sound_lease(LeaseHost& host) {
    REQUIRE(host.last.has_value());
    const auto entries = host.world.entries();
    REQUIRE(entries.size() == 1);
    const auto& [key, entry] = *entries.begin();
    CHECK(key == lease_key(host.last->lease->subnet));
    CHECK(entry.value == lease_value(host.attributes));
    CHECK(entry.mod_revision == host.last->lease->mod_revision);
    CHECK(entry.lease == (host.last->reservation ? KvLeaseId{} : host.last->lease->kv_lease));
    CHECK(host.seen.size() == 1);
    CHECK(host.seen.contains(host.last->lease->subnet));
    // Etcd leases of failed attempts have been given back or have run out.
    CHECK(host.world.server.store().lease_count() == (host.last->reservation ? 0U : 1U));
}

}  // namespace

TEST_CASE("Whichever call is lost, acquiring, renewing and watching come out right") {
    for (const Start& start : starts) {
        LeaseWorld undisturbed;
        prepare(undisturbed, start);
        LeaseHost calm(undisturbed, "host-1", "192.0.2.1");
        live_a_day(calm);
        expect_one_sound_lease(calm);
        const std::uint64_t calls = calm.kv.calls();
        REQUIRE(calls >= 4);

        for (const CallFault fault : {CallFault::request_lost, CallFault::answer_lost}) {
            // Beyond the calm run's number: the recovery's own calls fail too.
            for (std::uint64_t k = 1; k <= calls; ++k) {
                for (const std::uint64_t in_a_row : {1U, 2U, 4U}) {
                    CAPTURE(start.what, fault, k, in_a_row);
                    LeaseWorld world;
                    prepare(world, start);
                    LeaseHost host(world, "host-1", "192.0.2.1");
                    for (std::uint64_t i = 0; i < in_a_row; ++i) host.kv.fail_call(k + i, fault);

                    live_a_day(host);

                    expect_one_sound_lease(host);
                    if (!start.key.empty() && start.what != "a lease outside the network") {
                        CHECK(lease_key(host.last->lease->subnet) == start.key);
                    }
                }
            }
        }
    }
}

TEST_CASE("A write that arrives after it was given up leaves nothing behind") {
    for (const Start& start : starts) {
        for (const int late_ms : {30, 101, 150, 199, 250, 400, 1'000, 3'000, 60'000}) {
            for (std::uint64_t k = 1; k <= 6; ++k) {
                CAPTURE(start.what, late_ms, k);
                LeaseWorld world;
                prepare(world, start);
                LeaseHost host(world, "host-1", "192.0.2.1");
                host.kv.set_lateness(milliseconds(late_ms));
                host.kv.fail_call(k, CallFault::request_late);

                live_a_day(host);

                expect_one_sound_lease(host);
            }
        }
    }
}

TEST_CASE("A store that never answers is reported after a bounded number of calls") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.kv.set_connected(false);

    host.acquire();
    REQUIRE(host.settle());

    REQUIRE_FALSE(host.last.has_value());
    CHECK(host.last.error().kind == ErrorKind::unavailable);
    CHECK_THAT(host.last.error().what, Catch::Contains("lease for 192.0.2.1"));
    CHECK(host.kv.calls() == KvLeaseStoreOptions{}.max_unanswered);

    host.kv.set_connected(true);
    host.acquire();
    REQUIRE(host.settle());
    CHECK(host.last.has_value());
}

TEST_CASE("A store without an answer for an hour is asked again every few seconds by a watch") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.kv.set_connected(false);
    host.watch();
    REQUIRE(world.runtime.run_for(hours(1)));

    CHECK(host.kv.calls() > 300);
    CHECK(host.kv.calls() < 800);
    host.kv.set_connected(true);
    REQUIRE(world.runtime.run_for(seconds(11)));
    CHECK(host.snapshots == 1);
}

}  // namespace overlab
