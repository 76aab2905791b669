#include "models/invariant/store_invariants.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "models/store/lease_keys.h"

namespace overlab {

StoreInvariants::StoreInvariants(Runtime& runtime, const Scenario& scenario,
                                 const MonitoredCluster& cluster, const LiveLeases& leases,
                                 Duration window, ViolationLog& log)
    : runtime_(&runtime),
      scenario_(&scenario),
      cluster_(&cluster),
      leases_(&leases),
      log_(&log),
      overlaps_(runtime, window, [this](const Pair& pair) { return judge(pair); }) {
    for (const FaultSpec& fault : scenario.faults) {
        if (fault.kind != FaultSpec::Kind::store_write) continue;
        written_by_operators_.emplace(leases.prefix() + '/' + fault.key, fault.value);
    }
    log.note_checked("lease_overlap");
    log.note_checked("stale_owner");
}

bool StoreInvariants::is_operators(const std::string& key, const std::string& value) const {
    return !written_by_operators_.empty() && written_by_operators_.contains({key, value});
}

/// Of those who have its public address, the first; empty if nobody has.
std::string StoreInvariants::host_with(const LiveLease& lease) const {
    if (!lease.attributes) return {};
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const MonitoredHost seen = cluster_->monitored(host);
        if (seen.address == lease.attributes->public_ip && seen.facts) return seen.facts->name;
    }
    return {};
}

void StoreInvariants::report(std::string_view invariant, std::string host, std::string what) {
    log_->add({.at_ns = runtime_->now().ns,
               .invariant = std::string(invariant),
               .host = std::move(host),
               .what = std::move(what),
               .rows = {}});
}

// ---- as it happens ----

void StoreInvariants::lease_put(const std::string& key, const LiveLease* before,
                                const LiveLease& now) {
    check_etcd_lease(key, before, now);
    if (before != nullptr) {
        check_owner(key, *before, now);
        return;
    }
    look_for_overlaps(key, now);
    index_.add(now.subnet, key);
}

void StoreInvariants::lease_gone(const std::string& key, const LiveLease& before) {
    index_.remove(before.subnet, key);
    overlaps_.erase_if([&](const Pair& pair) { return pair.first == key || pair.second == key; });
}

void StoreInvariants::store_replaced() {
    index_ = {};
    overlaps_.clear();
    for (const auto& [key, lease] : leases_->all()) {
        look_for_overlaps(key, lease);
        index_.add(lease.subnet, key);
    }
}

void StoreInvariants::check_owner(const std::string& key, const LiveLease& before,
                                  const LiveLease& now) {
    if (is_operators(key, now.value) || is_operators(key, before.value)) return;
    if (!before.attributes || !now.attributes) return;
    if (before.attributes->public_ip == now.attributes->public_ip) return;
    report("stale_owner", host_with(now),
           fmt::format("lease {} of {} was overwritten by {} while it lived (revision {})",
                       now.subnet.to_string(), before.attributes->public_ip.to_string(),
                       now.attributes->public_ip.to_string(), now.written));
}

void StoreInvariants::check_etcd_lease(const std::string& key, const LiveLease* before,
                                       const LiveLease& now) {
    if (now.kv_lease.value != 0 || is_operators(key, now.value)) return;
    const bool reservation = before != nullptr && before->kv_lease.value == 0;
    if (reservation) return;
    report("lease_leaked", host_with(now),
           fmt::format("lease {} was written without an etcd lease: it will never end",
                       now.subnet.to_string()));
}

// ---- overlaps ----

// Keys of one length exclude each other in the store. Others cannot be compared in a transaction;
// of two that overlap the later one is given up once its owner has looked again.
void StoreInvariants::look_for_overlaps(const std::string& key, const LiveLease& now) {
    index_.for_each_overlapping(now.subnet, [&](const std::string& other) {
        const bool later = leases_->all().at(other).created <= now.created;
        overlaps_.add(later ? Pair{other, key} : Pair{key, other});
    });
}

auto StoreInvariants::judge(const Pair& pair) -> PendingWindows<Pair>::Verdict {
    using enum PendingWindows<Pair>::Verdict;
    const LiveLease& older = leases_->all().at(pair.first);
    const LiveLease& newer = leases_->all().at(pair.second);
    if (is_operators(pair.first, older.value) || is_operators(pair.second, newer.value)) {
        return over;
    }
    // Only its owner can give it up; where that is gone or cut off, the lease has to end.
    const std::string owner = host_with(newer);
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const MonitoredHost seen = cluster_->monitored(host);
        if (!seen.facts || seen.facts->name != owner) continue;
        if (seen.node == nullptr || !seen.reaches_store) return excused;
        report("lease_overlap", owner,
               fmt::format("leases {} and {} overlap", older.subnet.to_string(),
                           newer.subnet.to_string()));
        return over;
    }
    return excused;
}

// ---- leaks ----

void StoreInvariants::check_leaks() {
    log_->note_checked("lease_leaked");
    std::map<std::int64_t, std::string> kept;  // etcd lease to the host that keeps it
    std::size_t agents = 0;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const MonitoredHost seen = cluster_->monitored(host);
        if (seen.node == nullptr) continue;
        ++agents;
        if (seen.node->held()) {
            kept.emplace(seen.node->held()->lease->kv_lease.value,
                         seen.facts ? seen.facts->name : std::string{});
        }
    }
    for (const auto& [key, lease] : leases_->all()) {
        if (lease.kv_lease.value == 0 || kept.contains(lease.kv_lease.value)) continue;
        report("lease_leaked", host_with(lease),
               fmt::format("lease {} lives on, and no agent keeps it", lease.subnet.to_string()));
    }
    const std::size_t etcd_leases = cluster_->store().lease_count();
    if (etcd_leases > agents) {
        report("lease_leaked", {},
               fmt::format("{} agents keep {} etcd leases alive", agents, etcd_leases));
    }
}

}  // namespace overlab
