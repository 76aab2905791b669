#include "models/store/lease_acquisition.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "models/base/check.h"
#include "models/store/lease_keys.h"

namespace overlab {
namespace {

constexpr unsigned races_between_reads = 8;
constexpr unsigned max_window_doublings = 12;  // 409,600 candidates

using Source = SubnetChoice::Source;

bool is_reservation(const SubnetChoice& choice) {
    return choice.existing && choice.existing->kv_lease.value == 0;
}

LeasePtr make_lease(const LeaseSubnet& subnet, const LeaseAttributes& attributes,
                    KvLeaseId kv_lease, Revision revision) {
    return std::make_shared<const Lease>(Lease{.subnet = subnet,
                                               .attributes = attributes,
                                               .kv_lease = kv_lease,
                                               .mod_revision = revision});
}

}  // namespace

LeaseAcquisition::LeaseAcquisition(World world, Request request, Done done)
    : world_(world),
      request_(std::move(request)),
      done_(std::move(done)),
      timer_(world.runtime),
      conflict_pause_(world.options.conflict_min, world.options.conflict_max),
      unavailable_pause_(world.options.unavailable_min, world.options.unavailable_max) {}

std::string LeaseAcquisition::key_of(const LeaseSubnet& subnet) const {
    return subnets_prefix(world_.options.prefix) + lease_key(subnet);
}

// ---- reading and choosing
// --------------------------------------------------------------------------

void LeaseAcquisition::read() {
    world_.kv.range(subnets_prefix(world_.options.prefix),
                    while_alive([](LeaseAcquisition& self, Result<KvRange> range) {
                        if (!range) return self.no_answer(range.error(), &LeaseAcquisition::read);
                        self.unanswered_ = 0;
                        self.read_answered(std::move(*range));
                    }));
}

void LeaseAcquisition::read_answered(KvRange range) {
    taken_ = {};
    taken_is_stale_ = false;
    for (const KeyValuePtr& entry : range.entries) note(entry);
    last_read_ = std::move(range);
    last_read_at_ = world_.runtime.now();
    if (!outcome_unknown_) return choose();
    if (const auto revision = own_write(last_read_.entries)) {
        outcome_unknown_ = false;
        return settle(*revision);
    }
    // A replacement that is still under way meets another revision, or is the same write as the
    // next attempt's. A creation could succeed at any time.
    if (write_->choice.source != Source::reuse) return fence();
    outcome_unknown_ = false;
    choose();
}

void LeaseAcquisition::note(const KeyValuePtr& entry) {
    const auto lease = world_.decoder.decode(entry);
    // A lease under a key that is not the canonical text could not be compared and replaced by its
    // subnet.
    if (lease && key_of((*lease)->subnet) == entry->key) {
        taken_.leases.push_back(*lease);
    } else if (const auto subnet = parse_lease_key(lease_key_part(entry->key))) {
        taken_.others.push_back(*subnet);
    }
}

void LeaseAcquisition::choose() {
    const SubnetRequest wanted{
        .public_ip = request_.attributes.public_ip,
        .public_ipv6 = request_.attributes.public_ipv6,
        .previous = request_.previous,
        .window = first_subnet_window << std::min(conflicts_, max_window_doublings)};
    auto choice = choose_subnet(request_.network, taken_, wanted, world_.rng);
    if (!choice) {
        if (taken_is_stale_)
            return pause(conflict_pause_.next(world_.rng), &LeaseAcquisition::read);
        return finish(std::unexpected(choice.error()));
    }
    if (choice->existing && choice->existing->attributes == request_.attributes) {
        return prolong(choice->existing);
    }
    prepare(std::move(*choice));
}

// ---- an unchanged lease of ours
// --------------------------------------------------------------------

void LeaseAcquisition::prolong(const LeasePtr& existing) {
    if (existing->kv_lease.value == 0) {
        return finish(HeldLease{.lease = existing, .expires = {}, .reservation = true});
    }
    const Instant sent = world_.runtime.now();
    world_.kv.keep_alive(
        existing->kv_lease,
        while_alive([existing, sent](LeaseAcquisition& self, const Result<Duration>& ttl) {
            if (!ttl && ttl.error().kind == ErrorKind::not_found) return self.again_after_race();
            if (!ttl) return self.no_answer(ttl.error(), &LeaseAcquisition::read);
            self.unanswered_ = 0;
            if (*ttl >= self.world_.options.lease_ttl) {
                return self.compare_prolonged(existing, sent + *ttl);
            }
            // Somebody gave it a shorter life than we are configured for: it needs an etcd lease of
            // ours.
            SubnetChoice choice;
            choice.source = Source::reuse;
            choice.subnet = existing->subnet;
            choice.existing = existing;
            self.prepare(std::move(choice));
        }));
}

void LeaseAcquisition::compare_prolonged(const LeasePtr& existing, Instant expires) {
    KvTxn unchanged;
    unchanged.compares = still_as(key_of(existing->subnet), *existing);
    world_.kv.txn(
        std::move(unchanged),
        while_alive([existing, expires](LeaseAcquisition& self, const Result<KvTxnResult>& answer) {
            if (!answer) return self.no_answer(answer.error(), &LeaseAcquisition::read);
            self.unanswered_ = 0;
            if (!answer->succeeded) return self.again_after_race();
            self.finish(HeldLease{.lease = existing, .expires = expires});
        }));
}

// ---- writing
// ---------------------------------------------------------------------------------------

void LeaseAcquisition::prepare(SubnetChoice choice) {
    write_ = Write{.choice = std::move(choice),
                   .key = {},
                   .value = lease_value(request_.attributes),
                   .lease = {}};
    write_->key = key_of(write_->choice.subnet);
    // A reservation is the administrator's: it stays without an etcd lease, so it never expires.
    if (is_reservation(write_->choice)) return write();
    with_grant();
}

void LeaseAcquisition::with_grant() {
    const Instant sent = world_.runtime.now();
    // One etcd lease serves all attempts, unless they take so long that it would be half used up.
    if (grant_ && grant_->expires - sent > grant_->ttl / 2) {
        write_->lease = grant_->lease;
        return write();
    }
    const Duration ttl = world_.options.lease_ttl;
    world_.kv.grant(
        ttl, while_alive([sent, ttl](LeaseAcquisition& self, const Result<KvLeaseId>& lease) {
            if (!lease && lease.error().kind != ErrorKind::unavailable) {
                return self.finish(std::unexpected(lease.error()));
            }
            if (!lease) return self.no_answer(lease.error(), &LeaseAcquisition::with_grant);
            self.unanswered_ = 0;
            self.grant_ = Grant{.lease = *lease, .expires = sent + ttl, .ttl = ttl};
            self.write_->lease = *lease;
            self.write();
        }));
}

KvTxn LeaseAcquisition::transaction() const {
    KvTxn txn;
    if (const LeasePtr& existing = write_->choice.existing) {
        txn.compares = still_as(write_->key, *existing);
    } else {
        txn.compares = {{write_->key, KvCompare::Target::version, 0}};
    }
    txn.puts.push_back({write_->key, write_->value, write_->lease});
    for (const LeasePtr& old : write_->choice.obsolete) {
        const std::string key = key_of(old->subnet);
        std::ranges::copy(still_as(key, *old), std::back_inserter(txn.compares));
        txn.deletes.push_back({key});
    }
    return txn;
}

void LeaseAcquisition::write() {
    world_.kv.txn(transaction(),
                  while_alive([](LeaseAcquisition& self, Result<KvTxnResult> answer) {
                      self.write_answered(std::move(answer));
                  }));
}

void LeaseAcquisition::write_answered(Result<KvTxnResult> answer) {
    if (answer) {
        unanswered_ = 0;
        return answer->succeeded ? settle(answer->revision) : lost_race(answer->current);
    }
    switch (answer.error().kind) {
        case ErrorKind::unavailable:
            outcome_unknown_ = true;
            return no_answer(answer.error(), &LeaseAcquisition::read);
        case ErrorKind::not_found:  // our etcd lease ended before it was used
            grant_.reset();
            return again_after_race();
        default:
            return finish(std::unexpected(answer.error()));
    }
}

void LeaseAcquisition::lost_race(const std::vector<KeyValuePtr>& current) {
    // An attempt whose answer was lost, and that a reading missed, may have won against its own
    // repetition.
    if (const auto revision = own_write(current)) return settle(*revision);
    const bool key_taken = std::ranges::any_of(
        current, [&](const KeyValuePtr& entry) { return entry->key == write_->key; });
    const bool creation = write_->choice.source != Source::reuse;
    if (!creation || !key_taken || (conflicts_ + 1) % races_between_reads == 0)
        return again_after_race();
    for (const KeyValuePtr& entry : current) {
        if (entry->key == write_->key) note(entry);
    }
    taken_is_stale_ = true;
    ++conflicts_;
    pause(conflict_pause_.next(world_.rng), &LeaseAcquisition::choose);
}

void LeaseAcquisition::again_after_race() {
    if (++conflicts_ >= world_.options.max_conflicts) {
        return finish(fail(ErrorKind::unavailable,
                           fmt::format("lease for {}: lost {} races in a row",
                                       request_.attributes.public_ip.to_string(), conflicts_)));
    }
    pause(conflict_pause_.next(world_.rng), &LeaseAcquisition::read);
}

std::optional<Revision> LeaseAcquisition::own_write(const std::vector<KeyValuePtr>& entries) const {
    const auto found = std::ranges::find_if(entries, [&](const KeyValuePtr& entry) {
        return entry->key == write_->key && entry->value == write_->value &&
               entry->lease == write_->lease;
    });
    if (found == entries.end()) return std::nullopt;
    return (*found)->mod_revision;
}

void LeaseAcquisition::settle(Revision revision) {
    if (write_->choice.source != Source::reuse && !write_->choice.exclusive_key)
        return look_again(revision);
    const bool reservation = is_reservation(write_->choice);
    finish(HeldLease{
        .lease = make_lease(write_->choice.subnet, request_.attributes, write_->lease, revision),
        .expires = reservation ? Instant{} : grant_->expires,
        .reservation = reservation});
}

// Two hosts may have drawn subnets that overlap but have different keys. Both look after they have
// written, so the later one is sure to see the earlier one, and gives way.
void LeaseAcquisition::look_again(Revision revision) {
    world_.kv.range(subnets_prefix(world_.options.prefix),
                    while_alive([revision](LeaseAcquisition& self, const Result<KvRange>& range) {
                        if (!range) {
                            return self.no_answer(range.error(),
                                                  [revision](LeaseAcquisition& later) {
                                                      later.look_again(revision);
                                                  });
                        }
                        self.unanswered_ = 0;
                        self.looked_again(revision, *range);
                    }));
}

void LeaseAcquisition::looked_again(Revision revision, const KvRange& range) {
    const LeaseSubnet& subnet = write_->choice.subnet;
    bool still_there = false;
    for (const KeyValuePtr& entry : range.entries) {
        if (entry->key == write_->key) {
            still_there = entry->mod_revision == revision;
            continue;
        }
        const auto other = parse_lease_key(lease_key_part(entry->key));
        if (other && overlaps(*other, subnet) && entry->create_revision < revision) return yield();
    }
    if (!still_there) return again_after_race();
    finish(HeldLease{.lease = make_lease(subnet, request_.attributes, write_->lease, revision),
                     .expires = grant_->expires});
}

void LeaseAcquisition::yield() {
    world_.kv.revoke(write_->lease,
                     while_alive([](LeaseAcquisition& self, const Result<Revision>& done) {
                         if (!done) return self.no_answer(done.error(), &LeaseAcquisition::yield);
                         self.unanswered_ = 0;
                         self.grant_.reset();
                         self.again_after_race();
                     }));
}

// ---- unknown outcomes
// ------------------------------------------------------------------------------

void LeaseAcquisition::fence() {
    world_.kv.revoke(write_->lease,
                     while_alive([](LeaseAcquisition& self, const Result<Revision>& done) {
                         if (!done) return self.no_answer(done.error(), &LeaseAcquisition::fence);
                         self.unanswered_ = 0;
                         self.outcome_unknown_ = false;
                         self.grant_.reset();
                         // The write may have arrived just before, and its key have gone again.
                         self.read();
                     }));
}

void LeaseAcquisition::no_answer(const Error& error, Step again) {
    if (++unanswered_ >= world_.options.max_unanswered) {
        return finish(
            fail(ErrorKind::unavailable,
                 fmt::format("lease for {}: {} calls in a row failed: {}",
                             request_.attributes.public_ip.to_string(), unanswered_, error.what)));
    }
    pause(unavailable_pause_.next(world_.rng), std::move(again));
}

void LeaseAcquisition::pause(Duration span, Step then) {
    timer_.start(span, [this, self = weak_from_this(), then = std::move(then)] {
        // The timer dies with us; held for the call because `done` may drop the last other
        // reference.
        const auto held = self.lock();
        then(*this);
    });
}

void LeaseAcquisition::finish(Result<HeldLease> answer) {
    const bool grant_is_used = grant_ && answer && answer->lease->kv_lease == grant_->lease;
    if (grant_ && !grant_is_used) {
        // Also makes a write that is still under way fail. If the revocation is lost, the etcd
        // lease ends by itself, with whatever hangs on it.
        world_.kv.revoke(grant_->lease, [](const Result<Revision>&) {});
    }
    const Done done = std::move(done_);
    done(std::move(answer));
}

}  // namespace overlab
