#include "models/invariant/belief_invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "models/lease/subnet_allocator.h"

namespace overlab {
namespace {

std::string name_of(const MonitoredHost& host) {
    return host.facts ? host.facts->name : host.address.to_string();
}

bool can_know_better(const MonitoredHost& host) {
    return host.powered && host.node != nullptr && host.reaches_store;
}

}  // namespace

// ---- BeliefOverlap ----

BeliefOverlap::BeliefOverlap(Runtime& runtime, const MonitoredCluster& cluster, Duration window,
                             ViolationLog& log)
    : runtime_(&runtime),
      cluster_(&cluster),
      log_(&log),
      window_(window),
      beliefs_(cluster.host_count()),
      overlaps_(runtime, window, [this](const Pair& pair) { return judge(pair); }) {
    log.note_checked("belief_overlap");
}

void BeliefOverlap::node_changed(std::size_t host) {
    const OverlayNode* node = cluster_->monitored(host).node;
    std::optional<LeaseSubnet> now;
    if (node != nullptr && node->held()) now = node->held()->lease->subnet;
    if (now == beliefs_[host]) return;
    if (beliefs_[host]) {
        index_.remove(*beliefs_[host], host);
        overlaps_.erase_if(
            [&](const Pair& pair) { return pair.first == host || pair.second == host; });
    }
    beliefs_[host] = now;
    if (!now) return;
    index_.for_each_overlapping(*now, [&](std::size_t other) {
        overlaps_.add({std::min(host, other), std::max(host, other)});
    });
    index_.add(*now, host);
}

auto BeliefOverlap::judge(const Pair& pair) -> PendingWindows<Pair>::Verdict {
    using enum PendingWindows<Pair>::Verdict;
    const MonitoredHost a = cluster_->monitored(pair.first);
    const MonitoredHost b = cluster_->monitored(pair.second);
    if (!can_know_better(a) || !can_know_better(b)) return excused;
    log_->add({.at_ns = runtime_->now().ns,
               .invariant = "belief_overlap",
               .host = name_of(a),
               .what = fmt::format("{} has held {} and {} has held {} for more than {} s",
                                   name_of(a), beliefs_[pair.first]->to_string(), name_of(b),
                                   beliefs_[pair.second]->to_string(), window_.ns / seconds(1).ns),
               .rows = {}});
    return over;
}

// ---- SubnetKept ----

SubnetKept::SubnetKept(Runtime& runtime, const MonitoredCluster& cluster, const LiveLeases& leases,
                       ViolationLog& log)
    : runtime_(&runtime), cluster_(&cluster), leases_(&leases), log_(&log) {}

void SubnetKept::agent_started(std::size_t host) {
    expected_.erase(host);
    const NetworkConfig* network = leases_->network();
    if (network == nullptr) return;
    // udp's leases name no backend, as flannel's.
    const std::string_view backend = backend_name(network->backend);
    const std::string_view type = backend == "udp" ? std::string_view{} : backend;
    std::map<std::string, LeaseSubnet> own;
    leases_->for_each_of(cluster_->monitored(host).address,
                         [&](const std::string& key, const LiveLease& lease) {
                             if (lease.attributes->backend_type != type) return;
                             if (fits(*network, lease.subnet)) own.emplace(key, lease.subnet);
                         });
    if (!own.empty()) expected_.emplace(host, std::move(own));
}

void SubnetKept::agent_stopped(std::size_t host) { expected_.erase(host); }

void SubnetKept::node_changed(std::size_t host) {
    const auto found = expected_.find(host);
    if (found == expected_.end()) return;
    const MonitoredHost seen = cluster_->monitored(host);
    if (seen.node == nullptr || !seen.node->held()) return;
    log_->note_checked("subnet_kept");
    const LeaseSubnet got = seen.node->held()->lease->subnet;
    const auto& own = found->second;
    if (std::ranges::none_of(own, [&](const auto& each) { return each.second == got; })) {
        log_->add({.at_ns = runtime_->now().ns,
                   .invariant = "subnet_kept",
                   .host = name_of(seen),
                   .what = fmt::format("started again and took {}, though its lease {} lives",
                                       got.to_string(), own.begin()->second.to_string()),
                   .rows = {}});
    }
    expected_.erase(found);
}

void SubnetKept::lease_put(const std::string& key, const LiveLease* before, const LiveLease& now) {
    if (before == nullptr || before->attributes == now.attributes) return;
    const bool same_owner = before->attributes && now.attributes &&
                            before->attributes->public_ip == now.attributes->public_ip;
    if (!same_owner) lease_gone(key);
}

void SubnetKept::lease_gone(const std::string& key) {
    for (auto it = expected_.begin(); it != expected_.end();) {
        it->second.erase(key);
        it = it->second.empty() ? expected_.erase(it) : std::next(it);
    }
}

}  // namespace overlab
