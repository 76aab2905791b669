#include "models/invariant/walk_invariants.h"

#include <fmt/format.h>

#include <algorithm>

namespace overlab {
namespace {

constexpr std::size_t pairs_after_a_fault = 4;
constexpr Duration aftermath = seconds(1);  // the fault has happened, and agents have reacted

bool goes_round(const Walk& walk) {
    return walk.disposition == Disposition::loop || walk.disposition == Disposition::ttl_expired;
}

Walk walk_of(const PacketWalk& walks, const WalkedPair& pair) {
    return walks.walk_from_pod(pair.from, {.source = pair.source,
                                           .destination = pair.destination,
                                           .flow_hash = pair.source.bits ^ pair.destination.bits});
}

}  // namespace

std::vector<WalkedPair> draw_pairs(const MonitoredCluster& cluster,
                                   const std::vector<std::size_t>& hosts, std::size_t most,
                                   Rng& rng) {
    std::vector<std::pair<std::size_t, std::vector<Ipv4Address>>> with_pods;
    for (const std::size_t host : hosts) {
        std::vector<Ipv4Address> pods = cluster.pods(host);
        if (!pods.empty()) with_pods.emplace_back(host, std::move(pods));
    }
    std::vector<WalkedPair> pairs;
    const std::size_t count = with_pods.size();
    if (count < 2) return pairs;
    const auto add = [&](std::size_t from, std::size_t to) {
        const auto& [a, pods_a] = with_pods[from];
        const auto& [b, pods_b] = with_pods[to];
        pairs.push_back({.from = a,
                         .to = b,
                         .source = pods_a[rng.below(pods_a.size())],
                         .destination = pods_b[rng.below(pods_b.size())]});
    };
    if (count * (count - 1) <= most) {
        for (std::size_t from = 0; from < count; ++from) {
            for (std::size_t to = 0; to < count; ++to) {
                if (from != to) add(from, to);
            }
        }
        return pairs;
    }
    for (std::size_t i = 0; i < most; ++i) {
        const std::size_t from = rng.below(count);
        add(from, (from + 1 + rng.below(count - 1)) % count);
    }
    return pairs;
}

ForwardingLoops::ForwardingLoops(Runtime& runtime, const Scenario& scenario,
                                 const MonitoredCluster& cluster, Duration window,
                                 ViolationLog& log)
    : runtime_(&runtime),
      cluster_(&cluster),
      log_(&log),
      window_(window),
      rng_(Rng::stream(scenario.seed, "invariant/loops")),
      timer_(runtime) {
    for (const FaultSpec& fault : scenario.faults) {
        operators_meddle_ = operators_meddle_ || fault.kind == FaultSpec::Kind::foreign_route ||
                            fault.kind == FaultSpec::Kind::row_change ||
                            fault.kind == FaultSpec::Kind::store_write;
    }
}

void ForwardingLoops::fault_event() {
    if (operators_meddle_) return;
    suspects_.clear();
    timer_.start(aftermath, [this] { look(); });
}

void ForwardingLoops::look() {
    log_->note_checked("forwarding_loop");
    std::vector<std::size_t> hosts;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) hosts.push_back(host);
    const PacketWalk walks = cluster_->packet_walk();
    for (const WalkedPair& pair : draw_pairs(*cluster_, hosts, pairs_after_a_fault, rng_)) {
        if (goes_round(walk_of(walks, pair))) suspects_.push_back(pair);
    }
    if (!suspects_.empty()) timer_.start(window_, [this] { look_again(); });
}

/// Views that differ because somebody is cut off may lead a packet back and forth.
bool ForwardingLoops::everybody_knows() const {
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        const MonitoredHost seen = cluster_->monitored(host);
        if (seen.powered && (seen.node == nullptr || !seen.reaches_store)) return false;
    }
    return true;
}

void ForwardingLoops::look_again() {
    if (!everybody_knows()) return;
    const PacketWalk walks = cluster_->packet_walk();
    for (const WalkedPair& pair : suspects_) {
        const std::vector<Ipv4Address> pods = cluster_->pods(pair.from);
        if (std::ranges::find(pods, pair.source) == pods.end()) continue;
        judge(pair, walk_of(walks, pair));
    }
}

void ForwardingLoops::judge(const WalkedPair& pair, const Walk& walk) {
    log_->note_checked("forwarding_loop");
    if (!goes_round(walk)) return;
    log_->add({.at_ns = runtime_->now().ns,
               .invariant = "forwarding_loop",
               .host = walk.at,
               .what = fmt::format("a packet from pod {} to pod {} goes round: {}",
                                   pair.source.to_string(), pair.destination.to_string(),
                                   to_string(walk.disposition)),
               .rows = {}});
}

}  // namespace overlab
