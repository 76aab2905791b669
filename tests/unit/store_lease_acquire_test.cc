// Acquiring leases over a store: who gets what, and what is written. Renewal and watching:
// store_lease_hold_test.cc; lost calls: store_lease_fault_test.cc.
#include <string>
#include <vector>

#include "tests/support/lease_world.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

using test::LeaseHost;
using test::LeaseWorld;
using test::subnets;

const std::string ours = R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"})";
const std::string other = R"({"PublicIP":"192.0.2.99","PublicIPv6":null,"BackendType":"host-gw"})";

LeaseSubnet subnet(std::string_view v4) {
    return {.v4 = Ipv4Prefix::parse(v4).value(), .v6 = std::nullopt};
}

}  // namespace

TEST_CASE("The first host creates one key that lives for the time to live") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");

    host.acquire();
    REQUIRE(host.settle());

    REQUIRE(host.last.has_value());
    const auto entries = world.entries();
    REQUIRE(entries.size() == 1);
    const auto& [key, entry] = *entries.begin();
    CHECK(key == lease_key(host.last->lease->subnet));
    CHECK(entry.value == ours);
    CHECK(entry.lease == host.last->lease->kv_lease);
    CHECK(entry.mod_revision == host.last->lease->mod_revision);
    CHECK_FALSE(host.last->reservation);
    REQUIRE(world.server.store().next_expiry().has_value());
    CHECK(host.last->expires <= *world.server.store().next_expiry());
    CHECK(host.last->expires >= Instant{} + hours(24));
}

TEST_CASE("A fresh lease depends on seed and host, not on who else asks") {
    const auto drawn = [](std::uint64_t seed, const std::string& name) {
        LeaseWorld world;
        LeaseHost host(world, name, "192.0.2.1", {.seed = seed});
        host.acquire();
        REQUIRE(host.settle());
        return host.subnet();
    };
    CHECK(drawn(1, "host-1") == drawn(1, "host-1"));
    CHECK(drawn(1, "host-1") != drawn(2, "host-1"));
    CHECK(drawn(1, "host-1") != drawn(1, "host-2"));
}

TEST_CASE("A restarted host takes its unchanged lease again without a write") {
    LeaseWorld world;
    LeaseHost before(world, "host-1", "192.0.2.1");
    before.acquire();
    REQUIRE(before.settle());
    REQUIRE(world.runtime.run_for(hours(20)));
    const Revision revision = world.server.store().revision();

    LeaseHost after(world, "host-1", "192.0.2.1");
    after.acquire();
    REQUIRE(after.settle());

    CHECK(after.subnet() == before.subnet());
    CHECK(world.server.store().revision() == revision);
    CHECK(world.server.store().lease_count() == 1);
    CHECK(after.last->expires > Instant{} + hours(44));
    REQUIRE(world.runtime.run_for(hours(10)));
    CHECK(world.entries().size() == 1);
}

TEST_CASE("A restarted host with new attributes replaces its lease under a fresh etcd lease") {
    LeaseWorld world;
    LeaseHost before(world, "host-1", "192.0.2.1");
    before.acquire();
    REQUIRE(before.settle());

    LeaseHost after(world, "host-1", "192.0.2.1");
    after.attributes.backend_type = "vxlan";
    after.attributes.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})";
    after.acquire();
    REQUIRE(after.settle());

    CHECK(after.subnet() == before.subnet());
    const KeyValue entry = world.entries().at(lease_key(after.last->lease->subnet));
    CHECK(entry.version == 2);
    CHECK(entry.lease != before.last->lease->kv_lease);
    CHECK(entry.value == lease_value(after.attributes));
}

TEST_CASE("A flannel lease of ours with a shorter life gets an etcd lease of our time to live") {
    LeaseWorld world;
    world.write(subnets + "10.244.7.0-24", ours, world.grant(minutes(5)));
    LeaseHost host(world, "host-1", "192.0.2.1");

    host.acquire();
    REQUIRE(host.settle());

    CHECK(host.subnet() == "10.244.7.0/24");
    REQUIRE(world.runtime.run_for(hours(1)));
    CHECK(world.entries().at("10.244.7.0-24").version == 2);
}

TEST_CASE("A reservation for our address is taken up and stays a reservation") {
    for (const bool same_value : {true, false}) {
        CAPTURE(same_value);
        LeaseWorld world;
        world.write(subnets + "10.244.200.0-24",
                    same_value ? ours : R"({"PublicIP":"192.0.2.1","Note":"kept for host-1"})");
        LeaseHost host(world, "host-1", "192.0.2.1");

        host.acquire();
        REQUIRE(host.settle());

        CHECK(host.subnet() == "10.244.200.0/24");
        CHECK(host.last->reservation);
        const KeyValue entry = world.entries().at("10.244.200.0-24");
        CHECK(entry.value == ours);
        CHECK(entry.lease == KvLeaseId{});
        CHECK(entry.version == (same_value ? 1 : 2));
        REQUIRE(world.runtime.run_for(hours(100)));
        CHECK(world.entries().contains("10.244.200.0-24"));
        CHECK(world.server.store().lease_count() == 0);
    }
}

TEST_CASE("Foreign leases, reservations and unreadable values are all in the way") {
    LeaseWorld world;
    world.network =
        parse_network_config(
            R"({"Network":"10.244.0.0/16","SubnetMin":"10.244.1.0","SubnetMax":"10.244.4.0"})")
            .config;
    world.write(subnets + "10.244.1.0-24", other, world.grant(hours(1)));
    world.write(subnets + "10.244.2.0-24", other);
    world.write(subnets + "10.244.4.0-24", "garbage");
    world.write(subnets + "garbage", ours);
    LeaseHost host(world, "host-1", "192.0.2.1");

    host.acquire(subnet("10.244.4.0/24"));
    REQUIRE(host.settle());
    CHECK(host.subnet() == "10.244.3.0/24");

    LeaseHost second(world, "host-2", "192.0.2.2");
    second.acquire();
    REQUIRE(second.settle());
    REQUIRE_FALSE(second.last.has_value());
    CHECK(second.last.error().kind == ErrorKind::out_of_space);
}

TEST_CASE("The previous subnet is asked for first and given up if taken") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.acquire(subnet("10.244.77.0/24"));
    REQUIRE(host.settle());
    CHECK(host.subnet() == "10.244.77.0/24");

    LeaseHost second(world, "host-2", "192.0.2.2");
    second.acquire(subnet("10.244.77.0/24"));
    REQUIRE(second.settle());
    REQUIRE(second.last.has_value());
    CHECK(second.subnet() != "10.244.77.0/24");
}

TEST_CASE("A lease from before a configuration change goes away with the write of the new one") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.acquire();
    REQUIRE(host.settle());
    const Revision revision = world.server.store().revision();

    world.network = parse_network_config(R"({"Network":"10.99.0.0/16"})").config;
    host.acquire();
    REQUIRE(host.settle());

    CHECK(world.network.network.contains(host.last->lease->subnet.v4));
    CHECK(world.entries().size() == 1);
    CHECK(world.server.store().revision() == revision + 1);
}

TEST_CASE("Hosts that start at once all get a lease, none an error, with few attempts") {
    LeaseWorld world;
    std::vector<std::unique_ptr<LeaseHost>> hosts;
    for (std::uint32_t i = 0; i < 250; ++i) {
        const std::string ip = Ipv4Address{0xc633'6400 + i}.to_string();
        hosts.push_back(std::make_unique<LeaseHost>(world, "host-" + std::to_string(i), ip));
        hosts.back()->acquire();
    }
    std::set<LeaseSubnet> held;
    std::uint64_t calls = 0;
    for (auto& host : hosts) {
        REQUIRE(host->settle());
        REQUIRE(host->last.has_value());
        held.insert(host->last->lease->subnet);
        calls += host->kv.calls();
    }

    CHECK(held.size() == 250);
    CHECK(world.entries().size() == 250);
    CHECK(calls < 250 * 8);
    CHECK(world.runtime.now() < Instant{} + seconds(5));
}

TEST_CASE("The last free subnet goes to one of two hosts") {
    LeaseWorld world;
    world.network =
        parse_network_config(
            R"({"Network":"10.244.0.0/16","SubnetMin":"10.244.1.0","SubnetMax":"10.244.1.0"})")
            .config;
    LeaseHost a(world, "host-1", "192.0.2.1"), b(world, "host-2", "192.0.2.2");

    a.acquire();
    b.acquire();
    REQUIRE(a.settle());
    REQUIRE(b.settle());

    CHECK(a.last.has_value() != b.last.has_value());
    const Error& error = a.last ? b.last.error() : a.last.error();
    CHECK(error.kind == ErrorKind::out_of_space);
    REQUIRE(world.runtime.run_for(seconds(1)));  // the loser gives its etcd lease back
    CHECK(world.server.store().lease_count() == 1);
}

TEST_CASE("Dual-stack hosts that race for one family's subnet end without overlap") {
    LeaseWorld world;
    world.network =
        parse_network_config(
            R"({"Network":"10.244.0.0/24","SubnetLen":28,"SubnetMin":"10.244.0.16","SubnetMax":"10.244.0.64",
                "EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"vxlan"}})")
            .config;
    std::vector<std::unique_ptr<LeaseHost>> hosts;
    for (int i = 0; i < 4; ++i) {
        hosts.push_back(std::make_unique<LeaseHost>(world, "host-" + std::to_string(i),
                                                    "192.0.2." + std::to_string(i + 1)));
        hosts.back()->acquire();
    }
    std::set<Ipv4Prefix> v4;
    std::set<Ipv6Prefix> v6;
    for (auto& host : hosts) {
        REQUIRE(host->settle());
        REQUIRE(host->last.has_value());
        v4.insert(host->last->lease->subnet.v4);
        v6.insert(host->last->lease->subnet.v6.value());
    }
    CHECK(v4.size() == 4);
    CHECK(v6.size() == 4);
    CHECK(world.entries().size() == 4);
}

TEST_CASE("A destroyed store calls nobody") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    host.acquire();
    host.watch();
    REQUIRE(world.runtime.run_for(milliseconds(1)));

    host.store.reset();
    REQUIRE(world.runtime.run_for(hours(1)));

    CHECK(host.answered == 0);
    CHECK(host.updates.empty());
}

TEST_CASE("The configuration is read verbatim; a key beside it is not taken for it") {
    LeaseWorld world;
    LeaseHost host(world, "host-1", "192.0.2.1");
    Result<std::string> config;
    const auto ask = [&] {
        host.store->config([&](Result<std::string> answer) { config = std::move(answer); });
        REQUIRE(world.runtime.run_for(seconds(1)));
    };

    world.write("/coreos.com/network/config-old", "wrong");
    ask();
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().kind == ErrorKind::not_found);

    world.write("/coreos.com/network/config", R"({ "Network": "10.244.0.0/16" })");
    ask();
    CHECK(config.value() == R"({ "Network": "10.244.0.0/16" })");
}

}  // namespace overlab
