#include "models/invariant/healed_invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace overlab {
namespace {

// Of a cluster so large that planning for every pair of hosts would take longer than the run, so
// many hosts are compared that about this many peers are planned.
constexpr std::size_t most_planned_peers = 2'000'000;

std::string name_of(const MonitoredHost& host) {
    return host.facts ? host.facts->name : host.address.to_string();
}

std::vector<std::string> differences(const ForwardingState& planned, const ForwardingState& held) {
    std::vector<std::string> lines;
    for (const Row& row : planned.rows()) {
        const Row* there = held.find(row);
        if (there == nullptr || *there != row) lines.push_back("- " + to_string(row));
    }
    for (const Row& row : held.rows()) {
        const Row* wanted = planned.find(row);
        if (wanted == nullptr || *wanted != row) lines.push_back("+ " + to_string(row));
    }
    return lines;
}

}  // namespace

HealedInvariants::HealedInvariants(Runtime& runtime, const Scenario& scenario,
                                   const MonitoredCluster& cluster, const LiveLeases& leases,
                                   const InvariantOptions& options, std::set<std::size_t> gone,
                                   ForwardingLoops& loops, ViolationLog& log)
    : runtime_(&runtime),
      scenario_(&scenario),
      cluster_(&cluster),
      leases_(&leases),
      options_(options),
      gone_(std::move(gone)),
      loops_(&loops),
      log_(&log),
      rng_(Rng::stream(scenario.seed, "invariant/pairs")) {}

void HealedInvariants::report(std::string_view invariant, std::string host, std::string what,
                              std::vector<std::string> rows) {
    log_->add({.at_ns = runtime_->now().ns,
               .invariant = std::string(invariant),
               .host = std::move(host),
               .what = std::move(what),
               .rows = std::move(rows)});
}

void HealedInvariants::check() {
    log_->note_checked("converged");
    const Result<StorePlan> plan = StorePlan::of(*leases_, options_.filter);
    if (!plan) return report("converged", {}, plan.error().what);
    const std::size_t hosts = cluster_->host_count();
    const std::size_t compared =
        std::max<std::size_t>(1, most_planned_peers / std::max<std::size_t>(1, plan->size()));
    const std::size_t step = std::max<std::size_t>(1, hosts / compared);
    const std::size_t first = step == 1 ? 0 : rng_.below(step);
    Standings standings;
    for (std::size_t number = 0; number < hosts; ++number) {
        const MonitoredHost host = cluster_->monitored(number);
        if (gone_.contains(host.underlay_node) || !has_its_lease(host, *plan)) continue;
        if (number % step == first) compare_rows(number, host, *plan, standings);
    }
    check_delivery(standings);
    if (std::holds_alternative<IpsecConfig>(scenario_->network.backend)) check_spis();
}

// ---- converged ----

bool HealedInvariants::has_its_lease(const MonitoredHost& host, const StorePlan& plan) {
    if (host.node == nullptr) {
        report("converged", name_of(host), "there is no agent");
        return false;
    }
    if (host.node->state() != NodeState::running || !host.node->held()) {
        report("converged", name_of(host),
               fmt::format("the agent has no lease: it is {}", to_string(host.node->state())));
        return false;
    }
    const LeaseSubnet& subnet = host.node->held()->lease->subnet;
    const Lease* stored = plan.find(subnet);
    if (stored == nullptr) {
        report("converged", name_of(host),
               fmt::format("holds lease {}, which the store does not", subnet.to_string()));
        return false;
    }
    if (stored->attributes.public_ip != host.address) {
        report("converged", name_of(host),
               fmt::format("holds lease {}, which in the store is that of {}", subnet.to_string(),
                           stored->attributes.public_ip.to_string()));
        return false;
    }
    return true;
}

void HealedInvariants::compare_rows(std::size_t number, const MonitoredHost& host,
                                    const StorePlan& plan, Standings& standings) {
    if (!host.facts || host.tables == nullptr) return;
    const LeaseSubnet& own = host.node->held()->lease->subnet;
    HostPlan wanted = plan.plan(*host.facts, own, [&](Ipv4Address address) {
        return cluster_->true_reach(number, address);
    });
    const ForwardingState held = host.tables->dump();
    if (held != wanted.rows) {
        std::vector<std::string> lines = differences(wanted.rows, held);
        std::string what = fmt::format("{} rows are not as planned from the store", lines.size());
        report("converged", name_of(host), std::move(what), std::move(lines));
    }
    standings.emplace(number,
                      Standing{.subnet = own, .peers = {wanted.peers.begin(), wanted.peers.end()}});
}

// ---- delivered ----

void HealedInvariants::check_delivery(const Standings& standings) {
    std::vector<std::size_t> hosts;
    for (const auto& [host, standing] : standings) hosts.push_back(host);
    const std::vector<WalkedPair> pairs = draw_pairs(*cluster_, hosts, options_.most_pairs, rng_);
    if (pairs.empty()) return;
    log_->note_checked("delivered");
    log_->note_checked("forwarding_loop");
    const PacketWalk walks = cluster_->packet_walk();
    for (const WalkedPair& pair : pairs) judge_walk(walks, pair, standings);
}

void HealedInvariants::judge_walk(const PacketWalk& walks, const WalkedPair& pair,
                                  const Standings& standings) {
    const Standing& from = standings.at(pair.from);
    const Standing& to = standings.at(pair.to);
    // Refused with a reason in either direction: nothing is promised.
    if (!from.peers.contains(to.subnet) || !to.peers.contains(from.subnet)) return;
    const Walk walk =
        walks.walk_from_pod(pair.from, {.source = pair.source,
                                        .destination = pair.destination,
                                        .flow_hash = pair.source.bits ^ pair.destination.bits});
    loops_->judge(pair, walk);
    if (walk.disposition == Disposition::delivered && walk.at_host == pair.to) return;
    const MonitoredHost target = cluster_->monitored(pair.to);
    const Walk bare = walks.walk_from_host(
        pair.from,
        {.source = cluster_->monitored(pair.from).address, .destination = target.address});
    if (bare.disposition == Disposition::unreachable_underlay) return;  // no overlay can help
    std::vector<std::string> rows;
    for (const WalkStep& step : walk.steps) {
        if (!step.row.empty()) rows.push_back(step.row);
    }
    report(
        "delivered", walk.at,
        fmt::format("a packet from pod {} to pod {} of {} ends here: {}", pair.source.to_string(),
                    pair.destination.to_string(), name_of(target), to_string(walk.disposition)),
        std::move(rows));
}

// ---- spi_unique ----

void HealedInvariants::check_spis() {
    log_->note_checked("spi_unique");
    // Both ends show each SA; two of them are two if they come from different places.
    std::map<std::pair<Ipv4Address, std::uint32_t>, Ipv4Address> sources;
    for (std::size_t number = 0; number < cluster_->host_count(); ++number) {
        const MonitoredHost host = cluster_->monitored(number);
        if (host.tables == nullptr) continue;
        const ForwardingState held = host.tables->dump(true);
        for (const Row& row : held.rows()) {
            const SaRow* sa = std::get_if<SaRow>(&row);
            if (sa == nullptr) continue;
            const auto [known, is_new] =
                sources.emplace(std::pair(sa->destination, sa->spi), sa->source);
            if (is_new || known->second == sa->source) continue;
            report("spi_unique", name_of(host),
                   fmt::format("SPI {:#x} towards {} is that of SAs from {} and from {}", sa->spi,
                               sa->destination.to_string(), known->second.to_string(),
                               sa->source.to_string()),
                   {to_string(row)});
        }
    }
}

}  // namespace overlab
