#include "models/forwarding/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

enum RouteFlag : std::uint16_t { has_gateway = 1, onlink = 2, own = 4 };

TableLink::Kind table_kind(LinkRow::Kind kind) {
    switch (kind) {
        case LinkRow::Kind::vxlan:
            return TableLink::Kind::vxlan;
        case LinkRow::Kind::tun:
            return TableLink::Kind::tun;
        case LinkRow::Kind::ipip:
            return TableLink::Kind::ipip;
        case LinkRow::Kind::wireguard:
            break;
    }
    return TableLink::Kind::wireguard;
}

/// True if the kernel can turn one device into the other without deleting it.
bool changes_in_place(const TableLink& from, const TableLink& to) {
    // A WireGuard device takes another port as it is (wg_set_device()).
    return from.kind == to.kind && from.vni == to.vni &&
           (from.port == to.port || from.kind == TableLink::Kind::wireguard) &&
           from.local == to.local && from.lower == to.lower && from.learning == to.learning;
}

}  // namespace

ForwardingTables::PackedMac ForwardingTables::pack(MacAddress mac) {
    return {{static_cast<std::uint16_t>(mac.bits >> 32), static_cast<std::uint16_t>(mac.bits >> 16),
             static_cast<std::uint16_t>(mac.bits)}};
}

MacAddress ForwardingTables::unpack(PackedMac mac) {
    return {(std::uint64_t{mac.words[0]} << 32) | (std::uint64_t{mac.words[1]} << 16) |
            mac.words[2]};
}

ForwardingTables::PackedRoute ForwardingTables::pack(const RouteEntry& entry) {
    const int flags = (entry.has_gateway ? RouteFlag::has_gateway : 0) |
                      (entry.onlink ? RouteFlag::onlink : 0) | (entry.own ? RouteFlag::own : 0);
    return {entry.gateway, entry.link, static_cast<std::uint16_t>(flags)};
}

RouteEntry ForwardingTables::unpack(const PackedRoute& route) {
    return {route.link, (route.flags & RouteFlag::has_gateway) != 0,
            (route.flags & RouteFlag::onlink) != 0, (route.flags & RouteFlag::own) != 0,
            route.gateway};
}

// ---- host set-up ----

LinkIndex ForwardingTables::free_slot(std::string_view name) {
    // A device that comes back gets its old index, so that traces and counters go on.
    LinkIndex any = no_link;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        if (links_[i].present) continue;
        if (links_[i].name == name) return static_cast<LinkIndex>(i);
        if (any == no_link) any = static_cast<LinkIndex>(i);
    }
    if (any != no_link) return any;
    CHECK(links_.size() < no_link);
    links_.emplace_back();
    link_tables_.emplace_back();
    return static_cast<LinkIndex>(links_.size() - 1);
}

LinkIndex ForwardingTables::add_host_link(TableLink link) {
    CHECK(find_link(link.name) == no_link);
    const LinkIndex index = free_slot(link.name);
    link.present = true;
    link.own = false;
    links_[index] = std::move(link);
    ++generation_;
    return index;
}

void ForwardingTables::add_host_address(LinkIndex link, Ipv4Address address,
                                        unsigned prefix_length) {
    CHECK(link < links_.size());
    count_local(address, +1);
    add_host_route(Ipv4Prefix::of(address, prefix_length), {.link = link});
}

void ForwardingTables::add_host_route(Ipv4Prefix destination, RouteEntry entry) {
    CHECK(entry.link < links_.size());
    CHECK(!entry.own);
    const PackedRoute* present = routes_.find(destination);
    if (present != nullptr && (present->flags & RouteFlag::own) != 0) --own_routes_;
    routes_.put(destination, pack(entry));
    ++generation_;
}

void ForwardingTables::remove_host_route(Ipv4Prefix destination) {
    const PackedRoute* present = routes_.find(destination);
    if (present == nullptr || (present->flags & RouteFlag::own) != 0) return;
    routes_.erase(destination);
    ++generation_;
}

void ForwardingTables::remove_host_address(LinkIndex link, Ipv4Address address,
                                           unsigned prefix_length) {
    CHECK(link < links_.size());
    count_local(address, -1);
    routes_.erase(Ipv4Prefix::of(address, prefix_length));
    ++generation_;
}

void ForwardingTables::set_host_link_mtu(LinkIndex link, std::uint32_t mtu) {
    CHECK(link < links_.size());
    links_[link].mtu = mtu;
    ++generation_;
}

void ForwardingTables::set_host_link_address(LinkIndex link, Ipv4Address local) {
    CHECK(link < links_.size());
    links_[link].local = local;
    ++generation_;
}

void ForwardingTables::count_local(Ipv4Address address, int step) {
    const std::uint16_t* count = local_.find(address.bits);
    const int left = (count ? *count : 0) + step;
    CHECK(left >= 0);
    if (left == 0) {
        local_.erase(address.bits);
    } else {
        local_.put(address.bits, static_cast<std::uint16_t>(left));
    }
}

// ---- rows ----

Result<void> ForwardingTables::install(const Row& row) {
    Result<void> done = std::visit([&](const auto& each) { return add(each, row); }, row);
    if (done) ++generation_;
    return done;
}

Result<void> ForwardingTables::withdraw(const Row& row) {
    std::visit([&](const auto& each) { remove(each); }, row);
    ++generation_;
    return {};
}

Result<LinkIndex> ForwardingTables::need_link(const LinkName& name, const Row& row) const {
    const LinkIndex index = find_link(name);
    if (index != no_link) return index;
    return fail(ErrorKind::not_found, fmt::format("{}: no device {}", to_string(row), name));
}

Result<void> ForwardingTables::add(const LinkRow& row, const Row& whole) {
    TableLink link;
    link.name = row.name;
    link.kind = table_kind(row.kind);
    if (row.kind == LinkRow::Kind::vxlan) {
        OVERLAB_TRY(link.lower, need_link(row.lower, whole));
    }
    link.local = row.local;
    link.vni = row.vni;
    link.port = row.port;
    link.mtu = row.mtu;
    link.mac = row.mac;
    link.present = true;
    link.own = true;
    link.learning = row.learning;
    LinkIndex index = find_link(row.name);
    if (index != no_link && !links_[index].own) {
        return fail(ErrorKind::already_exists,
                    fmt::format("{}: {} is the host's own device", to_string(whole), row.name));
    }
    if (index == no_link) {
        index = free_slot(row.name);
    } else if (!changes_in_place(links_[index], link)) {
        drop_rows_on(index);
    }
    links_[index] = std::move(link);
    return {};
}

Result<void> ForwardingTables::add(const AddressRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    if (row.prefix.length != 32) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: only /32 addresses are ours to set", to_string(whole)));
    }
    const OwnAddress address{link, row.prefix};
    if (std::ranges::find(own_addresses_, address) != own_addresses_.end()) return {};
    own_addresses_.push_back(address);
    count_local(row.prefix.network, +1);
    return {};
}

Result<void> ForwardingTables::add(const NeighbourRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    link_tables_[link].neighbours.put(row.address.bits, pack(row.mac));
    return {};
}

Result<void> ForwardingTables::add(const FdbRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    if (links_[link].kind != TableLink::Kind::vxlan) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: {} is no vxlan device", to_string(whole), row.link));
    }
    link_tables_[link].fdb.put(row.mac.bits, row.destination.bits);
    return {};
}

Result<void> ForwardingTables::add(const TunnelPeerRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    if (links_[link].kind != TableLink::Kind::tun) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: {} is no tun device", to_string(whole), row.link));
    }
    link_tables_[link].tunnel_peers.put(row.subnet, {row.destination, row.port});
    return {};
}

Result<void> ForwardingTables::add(const WireguardPeerRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    if (links_[link].kind != TableLink::Kind::wireguard) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: {} is no wireguard device", to_string(whole), row.link));
    }
    wireguard_peers_.install(whole);
    return {};
}

Result<void> ForwardingTables::add(const SaRow& row, const Row& /*whole*/) {
    sas_.install(row);
    return {};
}

Result<void> ForwardingTables::add(const PolicyRow& row, const Row& /*whole*/) {
    policies_.install(row);
    return {};
}

Result<void> ForwardingTables::add(const FilterRow& /*row*/, const Row& whole) {
    filters_.install(whole);
    return {};
}

Result<void> ForwardingTables::check_gateway(const RouteRow& row, LinkIndex link) const {
    // As fib_check_nh_v4_gw(): never an own address; without `onlink`, a directly connected route
    // out of the same device must lead to it.
    const Ipv4Address gateway = *row.gateway;
    if (is_local(gateway)) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: nexthop has invalid gateway: {} is this host's own address",
                                to_string(Row(row)), gateway.to_string()));
    }
    if (row.onlink) return {};
    const std::optional<RouteMatch> way = route(gateway);
    if (way && !way->entry.has_gateway && way->entry.link == link) return {};
    return fail(ErrorKind::invalid_argument,
                fmt::format("{}: nexthop has invalid gateway: {} is not on {}'s segment",
                            to_string(Row(row)), gateway.to_string(), row.link));
}

Result<void> ForwardingTables::add(const RouteRow& row, const Row& whole) {
    OVERLAB_TRY(const LinkIndex link, need_link(row.link, whole));
    RouteEntry entry{.link = link, .onlink = row.onlink, .own = true};
    if (row.gateway) {
        Result<void> reachable = check_gateway(row, link);
        if (!reachable) return reachable;
        entry.has_gateway = true;
        entry.gateway = *row.gateway;
    }
    const PackedRoute* present = routes_.find(row.destination);
    if (present != nullptr && (present->flags & RouteFlag::own) == 0) {
        return fail(ErrorKind::already_exists,
                    fmt::format("{}: the host has a route of its own to {}", to_string(whole),
                                row.destination.to_string()));
    }
    if (routes_.put(row.destination, pack(entry))) ++own_routes_;
    return {};
}

void ForwardingTables::remove(const LinkRow& row) {
    const LinkIndex index = find_link(row.name);
    if (index == no_link || !links_[index].own) return;
    drop_rows_on(index);
    links_[index].present = false;
}

void ForwardingTables::drop_rows_on(LinkIndex index) {
    link_tables_[index] = {};
    if (links_[index].kind == TableLink::Kind::wireguard) {
        std::vector<Row> others = std::move(wireguard_peers_).rows();
        std::erase_if(others, [&](const Row& row) {
            return std::get<WireguardPeerRow>(row).link == links_[index].name;
        });
        wireguard_peers_ = ForwardingState::of_sorted(std::move(others));
    }
    std::erase_if(own_addresses_, [&](const OwnAddress& address) {
        if (address.link != index) return false;
        count_local(address.prefix.network, -1);
        return true;
    });
    std::vector<Ipv4Prefix> gone;
    routes_.for_each([&](Ipv4Prefix destination, const PackedRoute& route) {
        if (route.link == index) gone.push_back(destination);
    });
    for (const Ipv4Prefix destination : gone) {
        if ((routes_.find(destination)->flags & RouteFlag::own) != 0) --own_routes_;
        routes_.erase(destination);
    }
}

void ForwardingTables::remove(const AddressRow& row) {
    const OwnAddress address{find_link(row.link), row.prefix};
    const auto at = std::ranges::find(own_addresses_, address);
    if (at == own_addresses_.end()) return;
    own_addresses_.erase(at);
    count_local(row.prefix.network, -1);
}

void ForwardingTables::remove(const NeighbourRow& row) {
    const LinkIndex link = find_link(row.link);
    if (link != no_link) link_tables_[link].neighbours.erase(row.address.bits);
}

void ForwardingTables::remove(const FdbRow& row) {
    const LinkIndex link = find_link(row.link);
    if (link != no_link) link_tables_[link].fdb.erase(row.mac.bits);
}

void ForwardingTables::remove(const TunnelPeerRow& row) {
    const LinkIndex link = find_link(row.link);
    if (link != no_link) link_tables_[link].tunnel_peers.erase(row.subnet);
}

void ForwardingTables::remove(const WireguardPeerRow& row) { wireguard_peers_.withdraw(row); }

void ForwardingTables::remove(const SaRow& row) { sas_.withdraw(row); }

void ForwardingTables::remove(const PolicyRow& row) { policies_.withdraw(row); }

void ForwardingTables::remove(const FilterRow& row) { filters_.withdraw(row); }

void ForwardingTables::remove(const RouteRow& row) {
    const PackedRoute* present = routes_.find(row.destination);
    if (present == nullptr || (present->flags & RouteFlag::own) == 0) return;
    routes_.erase(row.destination);
    --own_routes_;
}

// ---- lookups ----

std::optional<RouteMatch> ForwardingTables::route(Ipv4Address destination) const {
    const auto match = routes_.match(destination);
    if (!match) return std::nullopt;
    return RouteMatch{unpack(*match->value), match->prefix};
}

std::optional<MacAddress> ForwardingTables::neighbour(LinkIndex link, Ipv4Address address) const {
    const PackedMac* mac = link_tables_[link].neighbours.find(address.bits);
    if (mac == nullptr) return std::nullopt;
    return unpack(*mac);
}

std::optional<Ipv4Address> ForwardingTables::fdb(LinkIndex link, MacAddress mac) const {
    const std::uint32_t* destination = link_tables_[link].fdb.find(mac.bits);
    if (destination == nullptr) return std::nullopt;
    return Ipv4Address{*destination};
}

std::optional<std::pair<Ipv4Address, std::uint16_t>> ForwardingTables::tunnel_peer(
    LinkIndex link, Ipv4Address destination) const {
    const auto match = link_tables_[link].tunnel_peers.match(destination);
    if (!match) return std::nullopt;
    return std::pair(match->value->destination, match->value->port);
}

const PolicyEntry* ForwardingTables::policy(PolicyRow::Direction direction, Ipv4Address source,
                                            Ipv4Address destination) const {
    return policies_.find(direction, source, destination);
}

std::optional<PolicyRow> ForwardingTables::policy_row(PolicyRow::Direction direction,
                                                      Ipv4Address source,
                                                      Ipv4Address destination) const {
    return policies_.find_row(direction, source, destination);
}

std::optional<TunnelPeerRow> ForwardingTables::tunnel_peer_row(LinkIndex link,
                                                               Ipv4Address destination) const {
    const auto match = link_tables_[link].tunnel_peers.match(destination);
    if (!match) return std::nullopt;
    return TunnelPeerRow{links_[link].name, match->prefix, match->value->destination,
                         match->value->port};
}

const WireguardPeerRow* ForwardingTables::wireguard_peer(LinkIndex link, Ipv4Address inner) const {
    const WireguardPeerRow* best = nullptr;
    for (const Row& row : wireguard_peers_.rows()) {
        const auto& peer = std::get<WireguardPeerRow>(row);
        if (peer.link != links_[link].name || !peer.allowed.contains(inner)) continue;
        if (best == nullptr || peer.allowed.length > best->allowed.length) best = &peer;
    }
    return best;
}

const SaEntry* ForwardingTables::outbound_sa(Ipv4Address source, Ipv4Address destination,
                                             std::uint32_t reqid) const {
    return sas_.newest(source, destination, reqid);
}

bool ForwardingTables::has_inbound_sa(Ipv4Address destination, std::uint32_t spi) const {
    return sas_.has_inbound(destination, spi);
}

bool ForwardingTables::any_policies() const { return !policies_.empty(); }

std::optional<Ipv4Address> ForwardingTables::row_address(LinkIndex link) const {
    std::optional<Ipv4Address> lowest;
    for (const OwnAddress& each : own_addresses_) {
        const Ipv4Address address = each.prefix.network;
        if (each.link == link && (!lowest || address < *lowest)) lowest = address;
    }
    return lowest;
}

bool ForwardingTables::is_local(Ipv4Address address) const {
    return local_.find(address.bits) != nullptr;
}

LinkIndex ForwardingTables::find_link(std::string_view name) const {
    for (std::size_t i = 0; i < links_.size(); ++i) {
        if (links_[i].present && links_[i].name == name) return static_cast<LinkIndex>(i);
    }
    return no_link;
}

}  // namespace overlab
