// Random histories of hosts that lease from one store: they start, die, give back, lose calls, are
// cut off; the store is compacted, its watches break, an administrator reserves subnets.
//
// Always: no two hosts believe in overlapping leases, no put changes a lease's owner, reservations
// stay. After the faults end: every host has one lease, every watcher knows exactly what is in the
// store.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/lease/subnet_allocator.h"
#include "tests/support/lease_world.h"

#include "tests/support/property.h"

namespace overlab {
namespace {

using test::LeaseHost;
using test::LeaseWorld;
using test::subnets;

constexpr int host_count = 8;
constexpr Duration renew_after = hours(8);

const char* const networks[] = {
    R"({"Network":"10.244.0.0/20","SubnetMin":"10.244.1.0","SubnetMax":"10.244.12.0","SubnetLen":24})",
    R"({"Network":"10.244.0.0/20","SubnetMin":"10.244.1.0","SubnetMax":"10.244.12.0","SubnetLen":24,
        "EnableIPv6":true,"IPv6Network":"fd00::/60","Backend":{"Type":"vxlan"}})"};

// A host's agent in miniature: acquires, renews in time, starts over when the lease is lost.
struct Agent {
    LeaseWorld& world;
    std::string name, address;
    std::unique_ptr<LeaseHost> host;      // null: down
    std::optional<HeldLease> believed;    // what it would route for
    std::optional<LeaseSubnet> previous;  // survives a restart
    Instant renewed;
    bool renewing = false;

    void start(bool remembers, int generation, std::uint64_t seed) {
        if (!remembers) previous.reset();
        host = std::make_unique<LeaseHost>(world, name, address, KvLeaseStoreOptions{.seed = seed});
        host->attributes.backend_data = "{\"Generation\":" + std::to_string(generation) + "}";
        host->watch();
        ask();
    }
    void die() {
        host.reset();
        believed.reset();
        renewing = false;
    }
    void ask() {
        renewing = false;
        renewed = world.runtime.now();
        host->acquire(previous);
    }
    void release() {
        if (!believed) return;
        const HeldLease held = *std::exchange(believed, std::nullopt);
        host->store->release(held, [](const Result<void>&) {});
    }
    // Acts on what was answered since the last time.
    void tend() {
        if (!host || host->asked != host->answered) return;
        if (host->last) {
            believed = *host->last;
            previous = believed->lease->subnet;
            if (world.runtime.now() - renewed > renew_after) {
                renewing = true;
                renewed = world.runtime.now();
                host->renew();
            }
            return;
        }
        const bool may_still_hold =
            renewing && host->last.error().kind == ErrorKind::unavailable && believed && valid();
        if (may_still_hold) {
            host->last = *believed;
            host->renew();
            return;
        }
        believed.reset();
        ask();
    }
    [[nodiscard]] bool valid() const {
        return believed && (believed->reservation || believed->expires > world.runtime.now());
    }
};

class History {
   public:
    explicit History(std::uint64_t seed) : seed_(seed), rng_(Rng::stream(seed, "history")) {
        world_.network = parse_network_config(networks[rng_.below(2)]).config;
        for (int i = 0; i < host_count; ++i) {
            agents_.push_back({.world = world_,
                               .name = "host-" + std::to_string(i),
                               .address = "192.0.2." + std::to_string(i + 1),
                               .host = nullptr,
                               .believed = {},
                               .previous = {},
                               .renewed = {}});
        }
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            act();
            pass_time(rng_.chance(1, 3) ? milliseconds(static_cast<std::int64_t>(rng_.below(2'000)))
                                        : minutes(static_cast<std::int64_t>(rng_.below(180))));
            check_writes();
        }
        heal();
    }

   private:
    void act() {
        Agent& agent = agents_[rng_.below(agents_.size())];
        switch (rng_.below(10)) {
            case 0:
                world_.server.break_watches();
                break;
            case 1:
                world_.compact();
                break;
            case 2:
                reserve(agent);
                break;
            case 3:
                lose_calls(agent);
                break;
            case 4:
                if (agent.host) agent.host->kv.set_connected(rng_.chance(1, 2));
                break;
            case 5:
                if (agent.host && rng_.chance(1, 2)) agent.release();
                agent.die();
                break;
            default:
                if (!agent.host)
                    agent.start(rng_.chance(1, 2), static_cast<int>(rng_.below(3)), seed_);
        }
    }
    void lose_calls(Agent& agent) {
        if (!agent.host) return;
        agent.host->kv.set_lateness(milliseconds(static_cast<std::int64_t>(rng_.below(1'000))));
        for (std::uint64_t k = 1 + rng_.below(6); k > 0; --k) {
            const CallFault faults[] = {CallFault::request_lost, CallFault::answer_lost,
                                        CallFault::request_late};
            agent.host->kv.fail_call(agent.host->kv.calls() + k, faults[rng_.below(3)]);
        }
    }
    // A careful administrator: reserves what is free, and only a few. Not in dual-stack networks,
    // where a host that is about to look again could have to give way to a reservation made after
    // its write.
    void reserve(const Agent& agent) {
        if (reservations_.size() >= 3 || world_.network.enable_ipv6) return;
        const auto nth = static_cast<std::uint32_t>(1 + rng_.below(12));
        const LeaseSubnet subnet{
            .v4 = Ipv4Prefix::of({world_.network.network.network.bits + nth * 256}, 24), .v6 = {}};
        const std::string key = lease_key(subnet);
        if (world_.entries().contains(key)) return;
        world_.write(subnets + key, R"({"PublicIP":")" + agent.address + "\"}");
        reservations_[key] = agent.address;
    }

    void pass_time(Duration span) {
        const Instant end = world_.runtime.now() + span;
        while (world_.runtime.now() < end) {
            RC_ASSERT(world_.runtime.run_until(std::min(end, world_.runtime.now() + minutes(20))));
            for (Agent& agent : agents_) agent.tend();
            check_beliefs();
        }
    }

    void check_beliefs() {
        for (std::size_t a = 0; a < agents_.size(); ++a) {
            for (std::size_t b = a + 1; b < agents_.size(); ++b) {
                if (!agents_[a].valid() || !agents_[b].valid()) continue;
                RC_ASSERT(!overlaps(agents_[a].believed->lease->subnet,
                                    agents_[b].believed->lease->subnet));
            }
        }
        const auto entries = world_.entries();
        for (const auto& [key, address] : reservations_) {
            RC_ASSERT(entries.contains(key));
            RC_ASSERT(entries.at(key).lease == KvLeaseId{});
            RC_ASSERT(entries.at(key).value.find("\"" + address + "\"") != std::string::npos);
        }
    }

    // No put over an existing key may change whose lease it is.
    void check_writes() {
        const MvccStore& store = world_.server.store();
        const auto events = store.log_since(std::max(checked_ + 1, store.compacted()));
        RC_ASSERT(events.has_value());
        for (const KvEvent& event : *events) {
            const KeyValue& entry = *event.entry;
            if (event.type == KvEvent::Type::remove) {
                owners_.erase(entry.key);
                continue;
            }
            const std::string owner = parse_lease_value(entry.value).value().public_ip.to_string();
            const auto known = owners_.find(entry.key);
            if (known != owners_.end() && entry.version > 1) RC_ASSERT(known->second == owner);
            owners_[entry.key] = owner;
        }
        checked_ = store.revision();
    }

    void heal() {
        for (Agent& agent : agents_) {
            if (!agent.host) agent.start(true, 0, seed_);
            agent.host->kv.set_connected(true);
        }
        pass_time(hours(60));  // leases of the dead run out, late requests arrive
        check_writes();
        const auto entries = world_.entries();
        for (const Agent& agent : agents_) {
            RC_ASSERT(agent.valid());
            const std::string key = lease_key(agent.believed->lease->subnet);
            RC_ASSERT(entries.contains(key));
            RC_ASSERT(entries.at(key).mod_revision == agent.believed->lease->mod_revision);
            RC_ASSERT(agent.host->seen.size() == entries.size());
            for (const auto& [subnet, lease] : agent.host->seen) {
                RC_ASSERT(entries.contains(lease_key(subnet)));
                RC_ASSERT(entries.at(lease_key(subnet)).mod_revision == lease->mod_revision);
            }
        }
        // One lease a host, but for reservations: several may name one host.
        std::map<std::string, int> leased;
        for (const auto& [key, entry] : entries) {
            if (entry.lease.value != 0) ++leased[owners_[subnets + key]];
        }
        for (const auto& [owner, count] : leased) RC_ASSERT(count == 1);
        RC_ASSERT(world_.server.store().lease_count() == leased.size());
    }

    std::uint64_t seed_;
    Rng rng_;
    LeaseWorld world_;
    std::vector<Agent> agents_;
    std::map<std::string, std::string> reservations_;  // key: address
    std::map<std::string, std::string> owners_;        // key: public address
    Revision checked_ = 1;
};

}  // namespace

TEST_CASE("No history lets leases overlap, change owner or lose a reservation, and all end sound") {
    test::holds([](std::uint64_t seed) { History(seed).run(60); }, 150);
}

}  // namespace overlab
