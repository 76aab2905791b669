#include "models/control/control_faults.h"

#include <fmt/format.h>

#include "models/backends/backend.h"
#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/store/lease_keys.h"

namespace overlab {
namespace {

/// Erases a route of the host's own: adding an address replaces the route to its prefix by the
/// connected one, and removing it takes that away.
void erase_host_route(ControlHost& host, Ipv4Prefix destination) {
    host.tables().add_host_address(host.external_link(), destination);
    host.tables().remove_host_address(host.external_link(), destination.network,
                                      destination.length);
}

std::optional<RouteEntry> exact_route(const ForwardingTables& tables, Ipv4Prefix destination) {
    const auto match = tables.route(destination.network);
    if (!match || match->prefix != destination) return std::nullopt;
    return match->entry;
}

}  // namespace

Result<std::size_t> ControlFaults::node_host(std::size_t node) const {
    if (const auto host = cluster_->host_of_node(node)) return *host;
    return fail(ErrorKind::unsupported,
                fmt::format("host {}: it runs no node", scenario_->underlay.nodes[node].name));
}

// ---- links ----

Result<void> ControlFaults::set_link_up(std::size_t link, bool up) {
    if (auto done = cluster_->underlay().set_link_up(link, up); !done) return done;
    cluster_->reachability_changed();
    return {};
}

Result<void> ControlFaults::change_link(std::size_t link, const LinkChange& change) {
    cluster_->underlay().set_link_mtu(link, change.mtu);
    cluster_->reachability_changed();
    return {};
}

Result<void> ControlFaults::set_groups(const std::vector<std::vector<std::size_t>>& groups) {
    cluster_->underlay().set_groups(groups);
    cluster_->reachability_changed();
    return {};
}

// ---- hosts ----

Result<void> ControlFaults::power_off(std::size_t host) {
    cluster_->power_off(host);
    return {};
}

Result<void> ControlFaults::power_on(std::size_t host) {
    cluster_->power_on(host);
    return {};
}

Result<void> ControlFaults::pause(std::size_t host) {
    cluster_->pause(host);
    return {};
}

Result<void> ControlFaults::resume(std::size_t host) {
    cluster_->resume(host);
    return {};
}

Result<void> ControlFaults::kill_agent(std::size_t node) {
    if (const auto host = cluster_->host_of_node(node)) cluster_->kill_agent(*host);
    return {};
}

Result<void> ControlFaults::start_agent(std::size_t node) {
    if (const auto host = cluster_->host_of_node(node)) cluster_->start_agent(*host);
    return {};
}

Result<void> ControlFaults::jump_clock(std::size_t node, Duration forward) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    cluster_->clock(host).jump(forward);
    return {};
}

Result<void> ControlFaults::set_clock_drift(std::size_t node, std::int32_t ppm) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    cluster_->clock(host).set_drift(ppm);
    return {};
}

Result<void> ControlFaults::kill_ike(std::size_t node) {
    if (const auto host = cluster_->host_of_node(node)) cluster_->kill_ike(*host);
    return {};
}

Result<void> ControlFaults::start_ike(std::size_t node) {
    if (const auto host = cluster_->host_of_node(node)) cluster_->start_ike(*host);
    return {};
}

Result<void> ControlFaults::set_address(std::size_t node, Ipv4Address address) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    cluster_->set_address(host, address);
    return {};
}

// ---- store ----

Result<void> ControlFaults::set_store_reachable(std::size_t host, bool reachable) {
    cluster_->set_store_reachable(host, reachable);
    return {};
}

Result<void> ControlFaults::set_store_leader(bool present) {
    cluster_->server().set_leader(present);
    return {};
}

Result<void> ControlFaults::compact_store() {
    const auto compacted = cluster_->server().apply(
        [](MvccStore& store, Instant) { return store.compact(store.revision()); });
    // Nothing happened since the last compaction: then all history is forgotten already.
    if (!compacted && compacted.error().kind != ErrorKind::compacted) return compacted;
    return {};
}

Result<void> ControlFaults::snapshot_store(std::size_t number) {
    snapshots_.insert_or_assign(number, cluster_->server().snapshot());
    return {};
}

Result<void> ControlFaults::restore_store(std::optional<std::size_t> number) {
    if (!number) {
        cluster_->restore_store(MvccStore{});
        cluster_->write_configuration();
        return {};
    }
    const auto found = snapshots_.find(*number);
    CHECK(found != snapshots_.end());
    cluster_->restore_store(found->second);
    return {};
}

Result<void> ControlFaults::write_store(const std::string& key, const std::string& value) {
    cluster_->write_store(KvLeaseStoreOptions{}.prefix + '/' + key, value);
    return {};
}

Result<void> ControlFaults::expire_lease(std::size_t node) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    const std::optional<LeaseSubnet>& subnet = cluster_->last_subnet(host);
    const std::string& name = scenario_->underlay.nodes[node].name;
    if (!subnet) return fail(ErrorKind::unavailable, fmt::format("host {}: no lease", name));
    const std::string key = subnets_prefix(KvLeaseStoreOptions{}.prefix) + lease_key(*subnet);
    return cluster_->server().apply([&](MvccStore& store, Instant now) -> Result<void> {
        for (const KeyValuePtr& entry : store.range(key, now).entries) {
            if (entry->key != key || entry->lease.value == 0) continue;
            store.revoke(entry->lease, now);
            return {};
        }
        return fail(ErrorKind::unavailable,
                    fmt::format("host {}: {} has no etcd lease", name, key));
    });
}

// ---- operators ----

std::optional<RowPeer> ControlFaults::peer_of(const FaultSpec& which) const {
    if (!which.peer) return std::nullopt;
    const auto host = cluster_->host_of_node(*which.peer);
    if (!host) {
        return RowPeer{
            .address = cluster_->underlay().topology().host_interface(*which.peer).address,
            .subnet = std::nullopt};
    }
    RowPeer peer{.address = cluster_->host(*host).address(), .subnet = std::nullopt};
    if (const auto& subnet = cluster_->last_subnet(*host)) peer.subnet = subnet->v4;
    return peer;
}

Result<void> ControlFaults::edit(std::size_t host, const std::vector<RowChange>& changes) {
    Result<void> first;
    for (const Result<void>& outcome : cluster_->host(host).apply(changes)) {
        if (first && !outcome) first = outcome;
    }
    if (!changes.empty()) cluster_->rows_meddled(host);
    return first;
}

Result<void> ControlFaults::delete_rows(std::size_t node, const FaultSpec& which) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    return edit(host,
                deletion_of(cluster_->host(host).tables().dump(), which.rows, peer_of(which)));
}

Result<void> ControlFaults::change_rows(std::size_t node, const FaultSpec& which) {
    OVERLAB_TRY(const std::size_t host, node_host(node));
    return edit(host,
                misleading_of(cluster_->host(host).tables().dump(), which.rows, peer_of(which)));
}

Result<void> ControlFaults::add_foreign_route(std::size_t node, Ipv4Prefix destination,
                                              std::size_t via) {
    OVERLAB_TRY(const std::size_t number, node_host(node));
    ControlHost& host = cluster_->host(number);
    // As `ip route replace`: a route of ours to the same destination goes.
    const auto present = exact_route(host.tables(), destination);
    if (present && present->own) {
        const RowChange gone{RowChange::Action::withdraw, RouteRow{.destination = destination}};
        CHECK(host.tables().withdraw(gone.row).has_value());
    }
    RouteEntry entry{.link = host.external_link(), .has_gateway = true};
    const auto peer = cluster_->host_of_node(via);
    entry.gateway = peer ? cluster_->host(*peer).address()
                         : cluster_->underlay().topology().host_interface(via).address;
    host.tables().add_host_route(destination, entry);
    cluster_->rows_meddled(number);
    return {};
}

Result<void> ControlFaults::remove_foreign_route(std::size_t node, Ipv4Prefix destination,
                                                 std::size_t /*via*/) {
    OVERLAB_TRY(const std::size_t number, node_host(node));
    ControlHost& host = cluster_->host(number);
    // A power-off may have taken it, and the agent put its own there.
    const auto present = exact_route(host.tables(), destination);
    if (!present || present->own) return {};
    erase_host_route(host, destination);
    cluster_->rows_meddled(number);
    return {};
}

Result<void> ControlFaults::change_vtep_mac(std::size_t node) {
    OVERLAB_TRY(const std::size_t number, node_host(node));
    ControlHost& host = cluster_->host(number);
    Rng rng = Rng::stream(seed_, fmt::format("{}/os-mac-{}", host.name(), ++macs_drawn_));
    for (const Row& row : host.tables().dump().rows()) {
        const LinkRow* link = std::get_if<LinkRow>(&row);
        if (link == nullptr || link->kind != LinkRow::Kind::vxlan) continue;
        LinkRow changed = *link;
        changed.mac = draw_vtep_mac(rng);
        if (auto done = host.tables().install(changed); !done) return done;
        cluster_->rows_meddled(number);
        return {};
    }
    return fail(ErrorKind::unavailable, fmt::format("host {}: no VXLAN device", host.name()));
}

// ---- what is not modelled ----

std::vector<std::string> ignored_changes(const Scenario& scenario) {
    std::vector<std::string> all;
    for (const FaultSpec& fault : scenario.faults) {
        if (fault.kind != FaultSpec::Kind::link_change) continue;
        LinkChange rest = fault.change;
        rest.mtu.reset();
        if (rest == LinkChange{}) continue;
        all.push_back(
            fmt::format("fault {}: no packet moves in the control world: of {} only an "
                        "MTU has an effect there",
                        fault.name, describe(fault, scenario)));
    }
    return all;
}

}  // namespace overlab
