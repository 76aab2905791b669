// ForwardingTables as rows again.
#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "models/forwarding/tables.h"

namespace overlab {
namespace {

/// Of a link that a row made.
LinkRow::Kind row_kind(TableLink::Kind kind) {
    switch (kind) {
        case TableLink::Kind::vxlan:
            return LinkRow::Kind::vxlan;
        case TableLink::Kind::tun:
            return LinkRow::Kind::tun;
        case TableLink::Kind::ipip:
            return LinkRow::Kind::ipip;
        case TableLink::Kind::wireguard:
            return LinkRow::Kind::wireguard;
        case TableLink::Kind::ethernet:
        case TableLink::Kind::bridge:
            break;
    }
    CHECK(false);
    return {};
}

}  // namespace

std::size_t ForwardingTables::own_row_count() const {
    std::size_t count = own_addresses_.size() + own_routes_ + policies_.size() +
                        wireguard_peers_.rows().size() + filters_.rows().size();
    for (std::size_t i = 0; i < links_.size(); ++i) {
        if (!links_[i].present) continue;
        const LinkTables& on = link_tables_[i];
        count += (links_[i].own ? 1U : 0U) + on.neighbours.size() + on.fdb.size() +
                 on.tunnel_peers.size();
    }
    return count;
}

ForwardingState ForwardingTables::dump(bool with_sas) const {
    // Each kind is sorted by its integer keys and only then spelt out as rows: an audit of 5,000
    // peers compares no strings.
    std::vector<LinkIndex> order;
    for (std::size_t i = 0; i < links_.size(); ++i) {
        if (links_[i].present) order.push_back(static_cast<LinkIndex>(i));
    }
    std::ranges::sort(order, {}, [this](LinkIndex i) -> const LinkName& { return links_[i].name; });
    std::vector<Row> rows;
    rows.reserve(own_row_count());
    dump_links(order, rows);
    dump_neighbours(order, rows);
    dump_fdb(order, rows);
    dump_tunnel_peers(order, rows);
    rows.insert(rows.end(), wireguard_peers_.rows().begin(), wireguard_peers_.rows().end());
    if (with_sas) sas_.dump(rows);
    policies_.dump(rows);
    rows.insert(rows.end(), filters_.rows().begin(), filters_.rows().end());
    dump_routes(rows);
    return ForwardingState::of_sorted(std::move(rows));
}

void ForwardingTables::dump_links(const std::vector<LinkIndex>& order,
                                  std::vector<Row>& rows) const {
    for (const LinkIndex index : order) {
        const TableLink& link = links_[index];
        if (!link.own) continue;
        rows.emplace_back(LinkRow{
            .name = link.name,
            .kind = row_kind(link.kind),
            .lower = link.lower == no_link ? LinkName() : links_[link.lower].name,
            .local = link.local,
            .vni = link.vni,
            .port = link.port,
            .mtu = link.mtu,
            .mac = link.mac,
            .learning = link.learning,
        });
    }
    std::vector<AddressRow> addresses;
    for (const OwnAddress& own : own_addresses_) {
        addresses.push_back({links_[own.link].name, own.prefix});
    }
    std::ranges::sort(addresses, {}, [](const AddressRow& row) {
        return std::pair<std::string_view, Ipv4Prefix>(row.link, row.prefix);
    });
    rows.insert(rows.end(), addresses.begin(), addresses.end());
}

void ForwardingTables::dump_neighbours(const std::vector<LinkIndex>& order,
                                       std::vector<Row>& rows) const {
    for (const LinkIndex index : order) {
        std::vector<std::pair<std::uint32_t, MacAddress>> found;
        link_tables_[index].neighbours.for_each([&](std::uint32_t address, PackedMac mac) {
            found.emplace_back(address, unpack(mac));
        });
        std::ranges::sort(found);
        for (const auto& [address, mac] : found) {
            rows.emplace_back(NeighbourRow{links_[index].name, {address}, mac});
        }
    }
}

void ForwardingTables::dump_fdb(const std::vector<LinkIndex>& order, std::vector<Row>& rows) const {
    for (const LinkIndex index : order) {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> found;
        link_tables_[index].fdb.for_each([&](std::uint64_t mac, std::uint32_t destination) {
            found.emplace_back(mac, destination);
        });
        std::ranges::sort(found);
        for (const auto& [mac, destination] : found) {
            rows.emplace_back(FdbRow{links_[index].name, {mac}, {destination}});
        }
    }
}

void ForwardingTables::dump_tunnel_peers(const std::vector<LinkIndex>& order,
                                         std::vector<Row>& rows) const {
    for (const LinkIndex index : order) {
        std::vector<TunnelPeerRow> found;
        link_tables_[index].tunnel_peers.for_each([&](Ipv4Prefix subnet, const TunnelPeer& peer) {
            found.push_back({links_[index].name, subnet, peer.destination, peer.port});
        });
        std::ranges::sort(found, {}, &TunnelPeerRow::subnet);
        rows.insert(rows.end(), found.begin(), found.end());
    }
}

void ForwardingTables::dump_routes(std::vector<Row>& rows) const {
    std::vector<std::pair<Ipv4Prefix, PackedRoute>> found;
    found.reserve(own_routes_);
    routes_.for_each([&](Ipv4Prefix destination, const PackedRoute& route) {
        if (unpack(route).own) found.emplace_back(destination, route);
    });
    std::ranges::sort(found, {}, [](const auto& each) { return each.first; });
    for (const auto& [destination, packed] : found) {
        const RouteEntry entry = unpack(packed);
        rows.emplace_back(RouteRow{
            .destination = destination,
            .link = links_[entry.link].name,
            .gateway = entry.has_gateway ? std::optional(entry.gateway) : std::nullopt,
            .onlink = entry.onlink,
        });
    }
}

}  // namespace overlab
