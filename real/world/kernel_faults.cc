#include "real/world/kernel_faults.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "models/base/check.h"
#include "models/fault/row_choice.h"
#include "models/lease/lease.h"
#include "models/store/lease_decoder.h"
#include "models/store/lease_keys.h"
#include "real/base/process.h"
#include "real/lab/port_names.h"
#include "real/netlink/links.h"

namespace overlab::real {
namespace {

using Kind = FaultSpec::Kind;

constexpr std::array supported_kinds{
    Kind::link_down,    Kind::link_change, Kind::partition,         Kind::host_crash,
    Kind::host_pause,   Kind::agent_kill,  Kind::store_unreachable, Kind::store_leader_loss,
    Kind::lease_expiry, Kind::row_delete,  Kind::row_change,        Kind::foreign_route,
    Kind::vtep_mac,     Kind::store_write, Kind::address_change,    Kind::key_rotation,
};

/// Faults of the kinds in `supported_kinds` never come here.
Result<void> not_here() { return fail(ErrorKind::unsupported, "the kernel world cannot do this"); }

}  // namespace

std::span<const FaultSpec::Kind> KernelFaults::supported() { return supported_kinds; }

KernelFaults::KernelFaults(KernelWorld& world, const Scenario& scenario)
    : world_(world), scenario_(scenario), side_(scenario.underlay.nodes.size(), 0) {}

KernelFaults::~KernelFaults() = default;

KernelWorld::Agent* KernelFaults::agent_of(std::size_t host) {
    const auto agent = std::ranges::find(world_.agents(), host, &KernelWorld::Agent::host);
    return agent == world_.agents().end() ? nullptr : &*agent;
}

LinkId KernelFaults::link_of(std::size_t host) const {
    return world_.lab().graph().host_interface(host).link;
}

// ---- links ----

Result<void> KernelFaults::cut(LinkId link, bool cut) {
    unsigned& reasons = cuts_[link];
    reasons += cut ? 1U : -1U;
    if (reasons == (cut ? 1U : 0U)) return world_.lab().set_link_up(link, !cut);
    return {};
}

Result<void> KernelFaults::set_link_up(std::size_t link, bool up) { return cut(link, !up); }

Result<void> KernelFaults::change_link(std::size_t link, const LinkChange& change) {
    return world_.lab().change_link(link, change);
}

Result<void> KernelFaults::set_groups(const std::vector<std::vector<std::size_t>>& groups) {
    std::ranges::fill(side_, 0);
    for (std::size_t side = 0; side < groups.size(); ++side) {
        for (const std::size_t host : groups[side]) side_[host] = side + 1;
    }
    return raise_walls();
}

Result<void> KernelFaults::raise_walls() {
    for (std::size_t host = 0; host < side_.size(); ++host) {
        if (scenario_.underlay.nodes[host].kind != UnderlayNode::Kind::host) continue;
        const WallPlan plan = wall_of(host);
        WallPlan& present = walls_[host];
        if (plan == present) continue;
        if (auto raised = set_wall(world_.lab().node(host), plan); !raised) return raised;
        present = plan;
    }
    return {};
}

WallPlan KernelFaults::wall_of(std::size_t host) const {
    WallPlan plan;
    for (std::size_t other = 0; other < side_.size(); ++other) {
        if (scenario_.underlay.nodes[other].kind != UnderlayNode::Kind::host) continue;
        if (side_[other] == side_[host]) continue;
        plan.addresses.push_back(world_.lab().facts(other).external_address);
        plan.macs.push_back(world_.lab().graph().host_interface(other).mac);
    }
    const auto store_port_of = [&](std::size_t client) {
        if (no_store_.contains(client))
            plan.store.push_back(world_.lab().facts(scenario_.store.host).external_address);
    };
    store_port_of(host);
    return plan;
}

Result<void> KernelFaults::set_store_reachable(std::size_t host, bool reachable) {
    if (reachable) {
        no_store_.erase(host);
    } else {
        no_store_.insert(host);
    }
    return raise_walls();
}

// ---- hosts ----

Result<void> KernelFaults::power_off(std::size_t host) {
    if (auto done = cut(link_of(host), true); !done) return done;
    if (auto killed = kill_agent(host); !killed) return killed;
    if (auto wiped = wipe(host); !wiped) return wiped;
    if (KernelWorld::Agent* agent = agent_of(host)) agent->pods_at.reset();
    return world_.lab().cut_pods(host);
}

/// What memory held: all that is ours, and every SA.
Result<void> KernelFaults::wipe(std::size_t host) {
    OVERLAB_TRY(const auto stack, stack_of(host));
    OVERLAB_TRY(const ForwardingState rows, stack->dump());
    for (const Result<void>& gone : stack->apply(diff({}, rows))) {
        if (!gone) return gone;
    }
    const auto flushed =
        output_of({.argv = {"ip", "xfrm", "state", "flush"}, .netns = &world_.lab().node(host)});
    return flushed ? Result<void>{} : std::unexpected(flushed.error());
}

Result<void> KernelFaults::power_on(std::size_t host) { return cut(link_of(host), false); }

Result<void> KernelFaults::pause(std::size_t host) {
    if (KernelWorld::Agent* agent = agent_of(host)) world_.stop_agent(*agent);
    return cut(link_of(host), true);
}

Result<void> KernelFaults::resume(std::size_t host) {
    if (KernelWorld::Agent* agent = agent_of(host)) world_.continue_agent(*agent);
    return cut(link_of(host), false);
}

Result<void> KernelFaults::kill_agent(std::size_t host) {
    KernelWorld::Agent* agent = agent_of(host);
    if (agent != nullptr && agent->process) world_.kill_agent(*agent);
    return {};
}

Result<void> KernelFaults::start_agent(std::size_t host) {
    KernelWorld::Agent* agent = agent_of(host);
    return agent == nullptr ? Result<void>{} : world_.start_again(*agent);
}

Result<void> KernelFaults::set_address(std::size_t host, Ipv4Address address) {
    if (auto done = world_.lab().set_address(host, address); !done) return done;
    return raise_walls();
}

Result<void> KernelFaults::jump_clock(std::size_t, Duration) { return not_here(); }
Result<void> KernelFaults::set_clock_drift(std::size_t, std::int32_t) { return not_here(); }
Result<void> KernelFaults::kill_ike(std::size_t) { return not_here(); }
Result<void> KernelFaults::start_ike(std::size_t) { return not_here(); }

// ---- the store ----

Result<EtcdKvStore*> KernelFaults::store_client() {
    if (store_) return store_.get();
    OVERLAB_TRY(store_, EtcdKvStore::create(world_.loop(),
                                            {.endpoints = {world_.store().endpoint()},
                                             .netns = &world_.lab().node(scenario_.store.host)}));
    return store_.get();
}

Result<void> KernelFaults::set_store_leader(bool present) {
    world_.store().signal(present ? SIGCONT : SIGSTOP);
    return {};
}

Result<void> KernelFaults::compact_store() { return not_here(); }
Result<void> KernelFaults::snapshot_store(std::size_t) { return not_here(); }
Result<void> KernelFaults::restore_store(std::optional<std::size_t>) { return not_here(); }

Result<void> KernelFaults::write_store(const std::string& key, const std::string& value) {
    OVERLAB_TRY(EtcdKvStore* const store, store_client());
    const std::string whole = KvLeaseStoreOptions{}.prefix + "/" + key;
    store->txn({.puts = {{.key = whole, .value = value}}}, [this, whole](const auto& answer) {
        if (!answer)
            world_.note("", fmt::format("{}: not written: {}", whole, answer.error().what));
    });
    return {};
}

Result<void> KernelFaults::expire_lease(std::size_t host) {
    OVERLAB_TRY(EtcdKvStore* const store, store_client());
    const Ipv4Address address = world_.lab().facts(host).external_address;
    store->range(subnets_prefix(KvLeaseStoreOptions{}.prefix),
                 [this, store, address](const Result<KvRange>& range) {
                     if (!range) return world_.note("", range.error().what);
                     LeaseDecoder decoder;
                     for (const KeyValuePtr& entry : range->entries) {
                         const auto lease = decoder.decode(entry);
                         if (!lease || (*lease)->attributes.public_ip != address) continue;
                         store->revoke(entry->lease, [](const Result<Revision>&) {});
                     }
                 });
    return {};
}

// ---- operators ----

Result<std::unique_ptr<NetlinkStack>> KernelFaults::stack_of(std::size_t host) {
    return NetlinkStack::open(world_.lab().node(host), world_.lab().facts(host), nullptr);
}

std::optional<RowPeer> KernelFaults::peer_of(const FaultSpec& fault) {
    if (!fault.peer) return std::nullopt;
    RowPeer peer{.address = world_.lab().facts(*fault.peer).external_address};
    const KernelWorld::Agent* agent = agent_of(*fault.peer);
    if (agent != nullptr && agent->pods_at) peer.subnet = agent->pods_at->first;
    return peer;
}

Result<void> KernelFaults::edit(std::size_t host, std::span<const RowChange> changes,
                                NetlinkStack& stack) {
    if (changes.empty())
        return fail(ErrorKind::not_found, world_.lab().facts(host).name + ": no such row");
    for (const Result<void>& done : stack.apply(changes)) {
        if (!done) return done;
    }
    return {};
}

Result<void> KernelFaults::delete_rows(std::size_t host, const FaultSpec& which) {
    OVERLAB_TRY(const auto stack, stack_of(host));
    OVERLAB_TRY(const ForwardingState rows, stack->dump());
    return edit(host, deletion_of(rows, which.rows, peer_of(which)), *stack);
}

Result<void> KernelFaults::change_rows(std::size_t host, const FaultSpec& which) {
    OVERLAB_TRY(const auto stack, stack_of(host));
    OVERLAB_TRY(const ForwardingState rows, stack->dump());
    return edit(host, misleading_of(rows, which.rows, peer_of(which)), *stack);
}

/// Without a metric, so it goes before ours, which stays.
Result<void> KernelFaults::add_foreign_route(std::size_t host, Ipv4Prefix destination,
                                             std::size_t via) {
    OVERLAB_TRY(Links links, Links::open(world_.lab().node(host)));
    const NextHop hop{.link = std::string(host_port),
                      .gateway = world_.lab().facts(via).external_address};
    return links.set_route(destination, std::span(&hop, 1));
}

Result<void> KernelFaults::remove_foreign_route(std::size_t host, Ipv4Prefix destination,
                                                std::size_t /*via*/) {
    OVERLAB_TRY(Links links, Links::open(world_.lab().node(host)));
    return links.remove_route(destination);
}

/// As systemd's MACAddressPolicy does it behind the agent's back.
Result<void> KernelFaults::change_vtep_mac(std::size_t host) {
    OVERLAB_TRY(const auto stack, stack_of(host));
    OVERLAB_TRY(const ForwardingState rows, stack->dump());
    for (const Row& row : rows.rows()) {
        const LinkRow* device = std::get_if<LinkRow>(&row);
        if (device == nullptr || device->kind != LinkRow::Kind::vxlan) continue;
        LinkRow other = *device;
        other.mac = nowhere_mac;
        const RowChange change{.action = RowChange::Action::install, .row = other};
        return edit(host, std::span(&change, 1), *stack);
    }
    return fail(ErrorKind::not_found, world_.lab().facts(host).name + ": no VXLAN device");
}

}  // namespace overlab::real
