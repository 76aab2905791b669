// The way of a packet through the underlay and into the receiving host.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "models/forwarding/walker.h"

namespace overlab {
namespace {

/// A host's own gateway is a router; a gateway that a row names should be another host.
bool goes_to_router(const RouteMatch& match) { return match.entry.has_gateway && !match.entry.own; }

}  // namespace

// ---- the underlay ----

bool Walker::cross(const Flight& flight) {
    const std::optional<RouteMatch> match = tables().route(flight.destination);
    if (!match || tables().link(match->entry.link).kind != TableLink::Kind::ethernet) {
        end(Disposition::no_route, "underlay",
            fmt::format("no route to {} on the underlay", flight.destination.to_string()));
        return false;
    }
    const TableLink& nic = tables().link(match->entry.link);
    const std::optional<std::size_t> next = next_host(flight, *match);
    if (next == here_) {  // as encap_bypass_if_local(): it comes back before it has left
        end(Disposition::loop, "underlay",
            fmt::format("{} sends it to its own address {}", here().name,
                        flight.destination.to_string()));
        return false;
    }
    // What goes to a router is on the wire, wherever it ends; what waits for ARP is not.
    if (next || goes_to_router(*match)) note_outer(flight, nic.mtu);
    if (!next) return false;
    const WalkHost& there = world_.hosts[*next];
    const std::optional<UnderlayPath> path =
        world_.underlay(here().name, there.name, packet_.flow_hash);
    if (!path) {
        end(Disposition::unreachable_underlay, "underlay",
            fmt::format("the underlay has no way from {} to {}", here().name, there.name));
        return false;
    }
    // A gateway that is a router leads to a host; one that is a host leads to pods, and must be
    // near.
    const bool by_router = match->entry.has_gateway && flight.destination == there.underlay_address;
    if (path->router_hops > 0 && !by_router) {
        end(Disposition::neighbour_unresolved, "neighbour",
            fmt::format("{} is behind a router: nobody answers ARP for {} on {}'s segment",
                        there.name, there.underlay_address.to_string(), here().name),
            text(*match));
        return false;
    }
    if (!survives(flight, nic.mtu, true)) return false;
    if (!survives(flight, path->mtu, path->router_hops > 0)) return false;
    if (flight.kind == Flight::Kind::bare) {
        for (unsigned hop = 0; hop < path->router_hops; ++hop) {
            if (!take_from_ttl("underlay", "a router")) return false;
        }
    }
    // An ipip device made without `ttl` gives the outer header the inner one's.
    if (flight.kind == Flight::Kind::ipip && packet_.ttl <= path->router_hops) {
        end(Disposition::ttl_expired, "underlay",
            "the outer packet has the inner one's TTL, which is used up at a router: the sending "
            "host is told, the pod is not");
        return false;
    }
    mtu_ = std::min(nic.mtu, path->mtu);
    const std::string via =
        path->via.empty() ? "" : fmt::format(" via {}", fmt::join(path->via, ", "));
    step("underlay", fmt::format("{} to {}{}", here().name, there.name, via), text(*match));
    here_ = *next;
    return true;
}

/// Who gets what is handed to the route's next hop; no value if the walk ends here.
std::optional<std::size_t> Walker::next_host(const Flight& flight, const RouteMatch& match) {
    const auto& addresses = world_.host_of_address;
    const auto destination = addresses.find(flight.destination);
    if (destination != addresses.end()) return destination->second;
    if (flight.kind != Flight::Kind::bare) {
        return end(Disposition::unreachable_underlay, "underlay",
                   fmt::format("no host has {}", flight.destination.to_string()));
    }
    if (!match.entry.has_gateway) {
        return refuse(
            Disposition::neighbour_unresolved, {.type = 3, .code = 1}, "neighbour",
            fmt::format("nobody on the segment answers ARP for {}", flight.destination.to_string()),
            text(match));
    }
    const auto gateway = addresses.find(match.entry.gateway);
    if (gateway != addresses.end()) return gateway->second;
    if (!goes_to_router(match)) {
        return refuse(Disposition::neighbour_unresolved, {.type = 3, .code = 1}, "neighbour",
                      fmt::format("nobody on the segment answers ARP for {}",
                                  match.entry.gateway.to_string()),
                      text(match));
    }
    return end(Disposition::no_route, "underlay",
               fmt::format("handed to router {}, which knows no pod addresses: ICMP net "
                           "unreachable goes to {}",
                           match.entry.gateway.to_string(), packet_.source.to_string()),
               text(match));
}

void Walker::note_outer(const Flight& flight, std::uint32_t nic_mtu) {
    using Kind = Flight::Kind;
    if (here_ != start_ || !walk_.outer.empty()) return;
    constexpr std::uint8_t ipip = 4, udp = 17, esp = 50, usual_ttl = 64;
    WalkOuter outer{.source = flight.source,
                    .destination = flight.destination,
                    .protocol = udp,
                    .destination_port = flight.port,
                    .size = size_on_wire_,
                    .dont_fragment = flight.dont_fragment,
                    .ttl = usual_ttl,
                    .tag = flight.kind == Kind::vxlan ? flight.vni : flight.spi,
                    .bare = flight.kind == Kind::bare};
    if (flight.kind == Kind::ipip) outer.protocol = ipip;
    if (flight.kind == Kind::esp && flight.port == 0) outer.protocol = esp;
    if (outer.bare || flight.kind == Kind::ipip) outer.ttl = packet_.ttl;
    // An ordinary UDP socket (IP_PMTUDISC_WANT): DF unless it knows that the packet does not fit.
    if (flight.kind == Kind::udp_proxy) outer.dont_fragment = size_on_wire_ <= nic_mtu;
    if (outer.size > nic_mtu) {
        if (outer.dont_fragment) return;  // it never gets onto the wire
        outer.size = fragment_size(nic_mtu);
    }
    walk_.outer.push_back(outer);
}

/// True if the flight passes a stretch of this MTU, cut to pieces or whole.
bool Walker::survives(const Flight& flight, std::uint32_t mtu, bool a_router_is_there) {
    if (size_on_wire_ <= mtu) return true;
    mtu_ = mtu;
    if (!a_router_is_there) {
        end(Disposition::mtu_exceeded, "underlay",
            fmt::format("{} bytes exceed a switched link's MTU {}: dropped without a word",
                        size_on_wire_, mtu));
        return false;
    }
    if (flight.dont_fragment) {
        end(Disposition::mtu_exceeded, "underlay",
            fmt::format("{} bytes exceed MTU {} and must not be fragmented: ICMP fragmentation "
                        "needed",
                        size_on_wire_, mtu));
        return false;
    }
    const std::string_view note =
        flight.kind == Flight::Kind::udp_proxy
            ? " (the proxy's first packet is lost: it learns the path's MTU from the ICMP answer)"
            : "";
    walk_.first_is_lost = walk_.first_is_lost || !note.empty();
    step("underlay", fmt::format("the outer packet is cut into fragments for MTU {}{}", mtu, note));
    return true;
}

// ---- the other end ----

std::optional<Walker::Origin> Walker::receive(const Flight& flight) {
    switch (flight.kind) {
        case Flight::Kind::vxlan:
            return receive_vxlan(flight);
        case Flight::Kind::udp_proxy:
            return receive_proxy(flight);
        case Flight::Kind::ipip:
            return receive_ipip(flight);
        case Flight::Kind::wireguard:
            return receive_wireguard(flight);
        case Flight::Kind::esp:
            return receive_esp(flight);
        case Flight::Kind::bare:
            break;
    }
    if (tables().is_local(packet_.destination)) {
        deliver("the host itself received it");
        return std::nullopt;
    }
    return Origin::underlay;
}

std::optional<Walker::Origin> Walker::receive_vxlan(const Flight& flight) {
    const TableLink* device = nullptr;
    for (const TableLink& link : tables().links()) {
        if (link.present && link.kind == TableLink::Kind::vxlan && link.port == flight.port) {
            device = &link;
        }
    }
    if (device == nullptr) {
        return end(Disposition::no_listener, "decap",
                   fmt::format("no VXLAN device listens on UDP port {}", flight.port));
    }
    if (device->vni != flight.vni || device->mac != flight.mac) {
        return end(Disposition::no_listener, "decap",
                   fmt::format("meant for VNI {} and MAC {}, but {} has VNI {} and MAC {}: dropped",
                               flight.vni, flight.mac.to_string(), device->name, device->vni,
                               device->mac.to_string()));
    }
    size_on_wire_ = packet_.size;
    step("decap", fmt::format("out of VXLAN by {}", device->name));
    return Origin::underlay;
}

std::optional<Walker::Origin> Walker::receive_proxy(const Flight& flight) {
    for (const TableLink& link : tables().links()) {
        if (!link.present || link.kind != TableLink::Kind::tun || link.port != flight.port)
            continue;
        if (!take_from_ttl("decap", "the proxy, which says nothing")) return std::nullopt;
        size_on_wire_ = packet_.size;
        step("decap", fmt::format("the proxy writes it to {}", link.name));
        return Origin::underlay;
    }
    return end(Disposition::no_listener, "decap",
               fmt::format("no proxy listens on UDP port {}", flight.port));
}

std::optional<Walker::Origin> Walker::receive_ipip(const Flight& flight) {
    for (const TableLink& link : tables().links()) {
        if (!link.present || link.kind != TableLink::Kind::ipip) continue;
        if (link.local != flight.destination) continue;
        size_on_wire_ = packet_.size;
        step("decap", fmt::format("out of IPv4 by {}", link.name));
        return Origin::underlay;
    }
    return end(
        Disposition::no_listener, "decap",
        fmt::format("no ipip device has the local address {}", flight.destination.to_string()));
}

/// Who may send from where: a packet is let in if the allowed prefixes give its source to the peer
/// that sealed it (wg_packet_consume_data_done()).
std::optional<Walker::Origin> Walker::receive_wireguard(const Flight& flight) {
    const std::span<const TableLink> links = tables().links();
    for (LinkIndex i = 0; i < static_cast<LinkIndex>(links.size()); ++i) {
        const TableLink& link = links[i];
        if (!link.present || link.kind != TableLink::Kind::wireguard || link.port != flight.port) {
            continue;
        }
        const WireguardPeerRow* peer = tables().wireguard_peer(i, packet_.source);
        if (peer == nullptr || (flight.key && *flight.key != peer->public_key)) {
            return end(Disposition::no_listener, "decap",
                       fmt::format("{} of {} may send from {}: dropped",
                                   peer == nullptr ? "no peer" : "another peer", link.name,
                                   packet_.source.to_string()));
        }
        size_on_wire_ = packet_.size;
        step("decap", fmt::format("opened by {}", link.name), to_string(Row(*peer)));
        return Origin::underlay;
    }
    return end(Disposition::no_listener, "decap",
               fmt::format("no WireGuard device listens on UDP port {}", flight.port));
}

std::optional<Walker::Origin> Walker::receive_esp(const Flight& flight) {
    if (!tables().has_inbound_sa(flight.destination, flight.spi)) {
        return end(Disposition::sa_missing, "decap",
                   fmt::format("no SA with SPI 0x{:08x} here: dropped", flight.spi));
    }
    size_on_wire_ = packet_.size;
    step("decap", fmt::format("out of ESP, SPI 0x{:08x}", flight.spi));
    return Origin::esp;
}

}  // namespace overlab
