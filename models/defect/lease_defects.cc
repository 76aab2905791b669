#include "models/defect/lease_defects.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "models/lease/subnet_allocator.h"
#include "models/store/lease_keys.h"

namespace overlab {
namespace {

constexpr std::size_t few_versions = 1024;  // a decoder of one host

constexpr Duration renewal_pause = seconds(60);

std::string key_of(const KvLeaseStoreOptions& options, const LeaseSubnet& subnet) {
    return subnets_prefix(options.prefix) + lease_key(subnet);
}

LeasePtr lease_with(const Lease& lease, KvLeaseId kv_lease, Revision revision) {
    return std::make_shared<const Lease>(Lease{.subnet = lease.subnet,
                                               .attributes = lease.attributes,
                                               .kv_lease = kv_lease,
                                               .mod_revision = revision});
}

}  // namespace

// ---- FewTries ----

struct FewTries::Attempt {
    NetworkConfig network;
    LeaseAttributes attributes;
    std::optional<LeaseSubnet> previous;
    std::function<void(Result<HeldLease>)> done;
    unsigned lost = 0;
    Instant granted;
};

FewTries::FewTries(LeaseStore& below, Parts parts)
    : LeaseLayer(below),
      parts_(std::move(parts)),
      decoder_(few_versions),
      rng_(Rng::stream(parts_.options.seed, parts_.options.host + "/lease-tries")) {
    CHECK(parts_.tries > 0);
}

void FewTries::acquire(const NetworkConfig& network, LeaseAttributes attributes,
                       std::optional<LeaseSubnet> previous,
                       std::function<void(Result<HeldLease>)> done) {
    read(std::make_shared<Attempt>(Attempt{.network = network,
                                           .attributes = std::move(attributes),
                                           .previous = std::move(previous),
                                           .done = std::move(done),
                                           .granted = {}}));
}

void FewTries::read(const AttemptPtr& attempt) {
    parts_.kv->range(subnets_prefix(parts_.options.prefix),
                     guard_.wrap([this, attempt](const Result<KvRange>& leases) {
                         if (!leases) return attempt->done(std::unexpected(leases.error()));
                         draw(attempt, *leases);
                     }));
}

void FewTries::draw(const AttemptPtr& attempt, const KvRange& leases) {
    TakenSubnets taken;
    for (const KeyValuePtr& entry : leases.entries) {
        const auto lease = decoder_.decode(entry);
        if (lease) {
            taken.leases.push_back(*lease);
        } else if (const auto subnet = parse_lease_key(lease_key_part(entry->key))) {
            taken.others.push_back(*subnet);
        }
    }
    const SubnetRequest wanted{.public_ip = attempt->attributes.public_ip,
                               .public_ipv6 = attempt->attributes.public_ipv6,
                               .previous = attempt->previous};
    const auto choice = choose_subnet(attempt->network, taken, wanted, rng_);
    if (!choice) return attempt->done(std::unexpected(choice.error()));
    if (choice->source == SubnetChoice::Source::reuse) {
        // Nobody to race with: as without the defect.
        return below().acquire(attempt->network, attempt->attributes, attempt->previous,
                               attempt->done);
    }
    attempt->granted = parts_.runtime->now();
    parts_.kv->grant(
        parts_.options.lease_ttl,
        guard_.wrap([this, attempt, subnet = choice->subnet](const Result<KvLeaseId>& lease) {
            if (!lease) return attempt->done(std::unexpected(lease.error()));
            create(attempt, subnet, *lease);
        }));
}

void FewTries::create(const AttemptPtr& attempt, const LeaseSubnet& subnet, KvLeaseId lease) {
    const std::string key = key_of(parts_.options, subnet);
    KvTxn txn;
    txn.compares = {{key, KvCompare::Target::version, 0}};
    txn.puts = {{key, lease_value(attempt->attributes), lease}};
    parts_.kv->txn(std::move(txn),
                   guard_.wrap([this, attempt, subnet, lease](const Result<KvTxnResult>& answer) {
                       created(attempt, subnet, lease, answer);
                   }));
}

void FewTries::created(const AttemptPtr& attempt, const LeaseSubnet& subnet, KvLeaseId lease,
                       const Result<KvTxnResult>& answer) {
    if (!answer) return attempt->done(std::unexpected(answer.error()));
    if (answer->succeeded) {
        const Lease made{.subnet = subnet, .attributes = attempt->attributes, .kv_lease = {}};
        return attempt->done(HeldLease{.lease = lease_with(made, lease, answer->revision),
                                       .expires = attempt->granted + parts_.options.lease_ttl});
    }
    if (++attempt->lost >= parts_.tries) {
        parts_.die(fmt::format("lease {}: subnet already exists: gave up after {} of {} tries",
                               subnet.to_string(), attempt->lost, parts_.tries));
        return;
    }
    read(attempt);
}

// ---- UnconditionalRenew ----

UnconditionalRenew::UnconditionalRenew(LeaseStore& below, Parts parts)
    : LeaseLayer(below), parts_(std::move(parts)) {}

void UnconditionalRenew::acquire(const NetworkConfig& network, LeaseAttributes attributes,
                                 std::optional<LeaseSubnet> previous,
                                 std::function<void(Result<HeldLease>)> done) {
    below().acquire(network, std::move(attributes), std::move(previous),
                    guard_.wrap([this, done = std::move(done)](Result<HeldLease> answer) {
                        if (answer) own_ = answer->lease;
                        done(std::move(answer));
                    }));
}

void UnconditionalRenew::renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) {
    if (held.reservation) return below().renew(held, std::move(done));
    const Instant sent = parts_.runtime->now();
    parts_.kv->grant(parts_.options.lease_ttl,
                     guard_.wrap([this, held, sent,
                                  done = std::move(done)](const Result<KvLeaseId>& lease) mutable {
                         if (!lease) return done(std::unexpected(lease.error()));
                         put(held, *lease, sent + parts_.options.lease_ttl, std::move(done));
                     }));
}

void UnconditionalRenew::put(const HeldLease& held, KvLeaseId lease, Instant expires,
                             std::function<void(Result<HeldLease>)> done) {
    KvTxn txn;
    txn.puts = {
        {key_of(parts_.options, held.lease->subnet), lease_value(held.lease->attributes), lease}};
    parts_.kv->txn(std::move(txn), guard_.wrap([this, held, lease, expires, done = std::move(done)](
                                                   const Result<KvTxnResult>& answer) {
        if (!answer) return done(std::unexpected(answer.error()));
        own_ = lease_with(*held.lease, lease, answer->revision);
        done(HeldLease{.lease = own_, .expires = expires});
    }));
}

void UnconditionalRenew::watch(std::function<void(LeaseUpdate)> update) {
    below().watch(guard_.wrap([this, update = std::move(update)](LeaseUpdate told) {
        leave_own_out(told);
        update(std::move(told));
    }));
}

void UnconditionalRenew::leave_own_out(LeaseUpdate& update) const {
    if (own_ == nullptr) return;
    std::erase_if(update.added,
                  [&](const LeasePtr& lease) { return lease->subnet == own_->subnet; });
    std::erase(update.removed, own_->subnet);
    if (update.snapshot) update.added.push_back(own_);
}

// ---- LostLeaseKept ----

LostLeaseKept::LostLeaseKept(LeaseStore& below, Runtime& runtime, Duration lease_ttl)
    : LeaseLayer(below), runtime_(&runtime), lease_ttl_(lease_ttl) {}

void LostLeaseKept::renew(const HeldLease& held, std::function<void(Result<HeldLease>)> done) {
    below().renew(held, [runtime = runtime_, ttl = lease_ttl_, held,
                         done = std::move(done)](Result<HeldLease> answer) {
        if (answer) return done(std::move(answer));
        HeldLease kept = held;
        // The keeper asks again after half of what it takes to be left.
        const bool lost = answer.error().kind != ErrorKind::unavailable;
        kept.expires = runtime->now() + (lost ? ttl : std::min(ttl, renewal_pause * 2));
        done(std::move(kept));
    });
}

}  // namespace overlab
