// The way of a packet through the sending host.
#include "models/forwarding/walker.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/net/wire.h"

namespace overlab {
namespace {

constexpr std::uint32_t ip_bytes = Ipv4Header::bytes;
constexpr std::uint32_t udp_bytes = UdpHeader::bytes;
constexpr std::uint32_t vxlan_bytes =
    ip_bytes + udp_bytes + VxlanHeader::bytes + EthernetHeader::bytes;
constexpr std::uint32_t proxy_bytes = ip_bytes + udp_bytes;
constexpr std::uint32_t ipip_bytes = ip_bytes;

/// What WireGuard adds: 16 bytes of header and 16 of tag around the packet, which is filled up to
/// 16 bytes, but never beyond the device's MTU (calculate_skb_padding()).
std::uint32_t wireguard_bytes(std::uint32_t size, std::uint32_t mtu) {
    const std::uint32_t filled = std::min((size + 15) / 16 * 16, std::max(mtu, size));
    return ip_bytes + udp_bytes + 16 + (filled - size) + 16;
}

/// What an AES-GCM tunnel adds to a packet of `size` bytes; smaller than flannel's worst case
/// of 77.
std::uint32_t esp_bytes(std::uint32_t size, bool in_udp) {
    return static_cast<std::uint32_t>(ip_bytes + (in_udp ? udp_bytes : 0) + EspHeader::bytes +
                                      esp_iv_bytes + esp_trailer_bytes(size));
}

}  // namespace

Walk Walker::run_from_pod(std::size_t host) {
    start_ = here_ = host;
    leave_pod();
    return run(Origin::pod);
}

Walk Walker::run_from_host(std::size_t host) {
    start_ = here_ = host;
    size_on_wire_ = packet_.size;
    return run(Origin::host);
}

Walk Walker::run(Origin origin) {
    while (!ended_) {
        const std::optional<Flight> flight = forward(origin);
        if (!flight || !cross(*flight)) break;
        const std::optional<Origin> next = receive(*flight);
        if (!next) break;
        origin = *next;
    }
    CHECK(ended_);
    return std::move(walk_);
}

void Walker::step(std::string_view stage, std::string what, std::string row) {
    walk_.steps.push_back(
        {here().name, std::string(stage), std::move(what), std::move(row), size_on_wire_, mtu_});
    mtu_ = 0;
}

std::nullopt_t Walker::end(Disposition disposition, std::string_view stage, std::string what,
                           std::string row) {
    CHECK(!ended_);
    step(stage, std::move(what), std::move(row));
    walk_.disposition = disposition;
    walk_.at = here().name;
    walk_.at_host = here_;
    ended_ = true;
    return std::nullopt;
}

std::nullopt_t Walker::refuse(Disposition disposition, WalkIcmp icmp, std::string_view stage,
                              std::string what, std::string row) {
    walk_.icmp = icmp;
    return end(disposition, stage, std::move(what), std::move(row));
}

std::string Walker::text(const RouteMatch& match) const {
    const RouteEntry& entry = match.entry;
    return to_string(Row(RouteRow{match.prefix, tables().link(entry.link).name,
                                  entry.has_gateway ? std::optional(entry.gateway) : std::nullopt,
                                  entry.onlink}));
}

std::string Walker::policy_text(PolicyRow::Direction direction) const {
    const std::optional<PolicyRow> row =
        tables().policy_row(direction, packet_.source, packet_.destination);
    return row ? to_string(Row(*row)) : std::string();
}

// ---- pods ----

void Walker::leave_pod() {
    size_on_wire_ = packet_.size;
    step("pod", fmt::format("{} sends {} bytes to {}, TTL {}{}", packet_.source.to_string(),
                            packet_.size, packet_.destination.to_string(), packet_.ttl,
                            packet_.dont_fragment ? ", not to be fragmented" : ""));
    // A pod's device has the MTU of the bridge that it hangs on.
    for (const TableLink& link : tables().links()) {
        if (!link.present || link.kind != TableLink::Kind::bridge) continue;
        if (!fits(link.mtu, "the pod's own device")) return;
    }
    if (pod_is_here(packet_.destination)) deliver("bridged to it on the same host");
}

bool Walker::pod_is_here(Ipv4Address address) const {
    return std::ranges::find(here().pods, address) != here().pods.end();
}

void Walker::deliver(std::string_view how) {
    end(Disposition::delivered, "deliver",
        fmt::format("{}: {}, TTL {}", packet_.destination.to_string(), how, packet_.ttl));
}

/// True if the packet, or its fragments, may go on by a device of this MTU.
bool Walker::fits(std::uint32_t mtu, const std::string& where) {
    mtu_ = mtu;
    if (packet_.size <= mtu) return true;
    if (packet_.dont_fragment) {
        refuse(Disposition::mtu_exceeded, {.type = 3, .code = 4, .mtu = mtu}, "route",
               fmt::format("{} bytes do not fit {} (MTU {}) and must not be fragmented: ICMP "
                           "fragmentation needed goes to {}",
                           packet_.size, where, mtu, packet_.source.to_string()));
        return false;
    }
    walk_.cut_inside = true;
    step("route", fmt::format("cut into fragments of up to {} bytes for {} (MTU {})",
                              fragment_size(mtu), where, mtu));
    packet_.size = size_on_wire_ = fragment_size(mtu);
    mtu_ = mtu;
    return true;
}

// ---- a host forwards ----

std::optional<Walker::Flight> Walker::forward(Origin origin) {
    if (!forwarded_by_.insert(here_).second) {
        return end(Disposition::loop, "route",
                   fmt::format("back at {}, which sent it away before", here().name));
    }
    if (!admitted(origin)) return std::nullopt;
    const std::optional<RouteMatch> match = tables().route(packet_.destination);
    if (!match) {
        return refuse(Disposition::no_route, {.type = 3, .code = 0}, "route",
                      fmt::format("no route to {}: ICMP net unreachable goes to {}",
                                  packet_.destination.to_string(), packet_.source.to_string()));
    }
    if (origin != Origin::host && !take_from_ttl("route", here().name, true)) return std::nullopt;
    if (pod_is_here(packet_.destination)) {
        const TableLink& bridge = tables().link(match->entry.link);
        if (packet_.size > bridge.mtu && !fits(bridge.mtu, bridge.name)) return std::nullopt;
        step("bridge", fmt::format("to the pod by {}", tables().link(match->entry.link).name),
             text(*match));
        deliver("received");
        return std::nullopt;
    }
    return send_by(*match);
}

/// As xfrm4_policy_check() on a forwarded packet: what a policy covers must have come out of an SA,
/// and nothing else may.
bool Walker::admitted(Origin origin) {
    if (origin == Origin::pod || origin == Origin::host) return true;
    const PolicyEntry* policy =
        tables().policy(PolicyRow::Direction::fwd, packet_.source, packet_.destination);
    if ((policy != nullptr) == (origin == Origin::esp)) return true;
    end(Disposition::policy_mismatch, "policy",
        policy != nullptr
            ? fmt::format("arrived in clear, but a policy demands ESP from {} to {}: dropped",
                          policy->tunnel_source.to_string(), policy->tunnel_destination.to_string())
            : std::string("came out of ESP, but no forward policy asks for that: dropped"),
        policy_text(PolicyRow::Direction::fwd));
    return false;
}

/// `tells`: who drops it says so.
bool Walker::take_from_ttl(std::string_view stage, std::string_view who, bool tells) {
    if (packet_.ttl > 1) {
        --packet_.ttl;
        return true;
    }
    if (tells) walk_.icmp = WalkIcmp{.type = 11, .code = 0};
    end(Disposition::ttl_expired, stage, fmt::format("TTL is used up at {}", who));
    return false;
}

std::optional<Walker::Flight> Walker::send_by(const RouteMatch& match) {
    const PolicyEntry* policy =
        tables().policy(PolicyRow::Direction::out, packet_.source, packet_.destination);
    if (policy != nullptr) return into_esp(*policy);
    const TableLink& link = tables().link(match.entry.link);
    step("route", fmt::format("to {} by {}", packet_.destination.to_string(), link.name),
         text(match));
    switch (link.kind) {
        case TableLink::Kind::vxlan:
            return into_vxlan(match);
        case TableLink::Kind::tun:
            return into_tun(match.entry.link);
        case TableLink::Kind::ipip:
            return into_ipip(match);
        case TableLink::Kind::wireguard:
            return into_wireguard(match.entry.link);
        case TableLink::Kind::bridge:
            if (!fits(link.mtu, link.name)) return std::nullopt;
            return refuse(Disposition::neighbour_unresolved, {.type = 3, .code = 1}, "neighbour",
                          fmt::format("no pod has {}: ICMP host unreachable goes to {}",
                                      packet_.destination.to_string(), packet_.source.to_string()));
        case TableLink::Kind::ethernet:
            break;
    }
    if (!fits(link.mtu, link.name)) return std::nullopt;
    return Flight{.source = packet_.source,
                  .destination = packet_.destination,
                  .dont_fragment = packet_.dont_fragment};
}

std::optional<Walker::Flight> Walker::into_vxlan(const RouteMatch& match) {
    const TableLink& device = tables().link(match.entry.link);
    if (!fits(device.mtu, device.name)) return std::nullopt;
    const Ipv4Address next_hop =
        match.entry.has_gateway ? match.entry.gateway : packet_.destination;
    const std::optional<MacAddress> mac = tables().neighbour(match.entry.link, next_hop);
    if (!mac) {
        return refuse(Disposition::neighbour_unresolved, {.type = 3, .code = 1}, "neighbour",
                      fmt::format("no neighbour {} on {}: ICMP host unreachable goes to {}",
                                  next_hop.to_string(), device.name, packet_.source.to_string()));
    }
    step("neighbour", fmt::format("next hop {} is {}", next_hop.to_string(), mac->to_string()),
         to_string(Row(NeighbourRow{device.name, next_hop, *mac})));
    const std::optional<Ipv4Address> remote = tables().fdb(match.entry.link, *mac);
    if (!remote) {
        return end(Disposition::fdb_miss, "fdb",
                   fmt::format("{} has no FDB row for {}: dropped without a word", device.name,
                               mac->to_string()));
    }
    step("fdb", fmt::format("{} is behind {}", mac->to_string(), remote->to_string()),
         to_string(Row(FdbRow{device.name, *mac, *remote})));
    size_on_wire_ = packet_.size + vxlan_bytes;
    step("encap", fmt::format("in VXLAN, VNI {}, UDP port {}: {} bytes more", device.vni,
                              device.port, vxlan_bytes));
    return Flight{.kind = Flight::Kind::vxlan,
                  .source = device.local,
                  .destination = *remote,
                  .overhead = vxlan_bytes,
                  .vni = device.vni,
                  .port = device.port,
                  .mac = *mac};
}

std::optional<Walker::Flight> Walker::into_tun(LinkIndex link) {
    const TableLink& tun = tables().link(link);
    if (!fits(tun.mtu, tun.name)) return std::nullopt;
    const std::optional<TunnelPeerRow> peer = tables().tunnel_peer_row(link, packet_.destination);
    if (!peer) {
        return refuse(Disposition::tunnel_peer_missing,
                      {.teller = WalkIcmp::Teller::proxy, .type = 3, .code = 0}, "tunnel",
                      fmt::format("the proxy knows no peer for {}: ICMP net unreachable goes to {}",
                                  packet_.destination.to_string(), packet_.source.to_string()));
    }
    if (!take_from_ttl("tunnel", "the proxy, which says nothing")) return std::nullopt;
    size_on_wire_ = packet_.size + proxy_bytes;
    step("tunnel",
         fmt::format("the proxy sends it to {}:{}: {} bytes more", peer->destination.to_string(),
                     peer->port, proxy_bytes),
         to_string(Row(*peer)));
    return Flight{.kind = Flight::Kind::udp_proxy,
                  .source = tun.local,
                  .destination = peer->destination,
                  .overhead = proxy_bytes,
                  .port = peer->port};
}

/// As ip_tunnel_xmit() of a device without `remote`: the outer destination is the route's next hop,
/// and DF is the inner packet's.
std::optional<Walker::Flight> Walker::into_ipip(const RouteMatch& match) {
    const TableLink& device = tables().link(match.entry.link);
    if (!fits(device.mtu, device.name)) return std::nullopt;
    const Ipv4Address remote = match.entry.has_gateway ? match.entry.gateway : packet_.destination;
    size_on_wire_ = packet_.size + ipip_bytes;
    step("encap", fmt::format("in IPv4, to {}: {} bytes more", remote.to_string(), ipip_bytes));
    return Flight{.kind = Flight::Kind::ipip,
                  .source = device.local,
                  .destination = remote,
                  .overhead = ipip_bytes,
                  .dont_fragment = packet_.dont_fragment};
}

std::optional<Walker::Flight> Walker::into_wireguard(LinkIndex link) {
    const TableLink& device = tables().link(link);
    if (!fits(device.mtu, device.name)) return std::nullopt;
    const WireguardPeerRow* peer = tables().wireguard_peer(link, packet_.destination);
    if (peer == nullptr) {
        return refuse(
            Disposition::tunnel_peer_missing, {.type = 3, .code = 1}, "tunnel",
            fmt::format("{} has no peer for {}: ICMP host unreachable goes to {}", device.name,
                        packet_.destination.to_string(), packet_.source.to_string()));
    }
    if (!handshake_succeeds(*peer)) {
        return end(Disposition::tunnel_peer_missing, "tunnel",
                   fmt::format("the peer at {}:{} answers no handshake: dropped",
                               peer->endpoint.to_string(), peer->port),
                   to_string(Row(*peer)));
    }
    const std::uint32_t overhead = wireguard_bytes(packet_.size, device.mtu);
    size_on_wire_ = packet_.size + overhead;
    step("tunnel",
         fmt::format("sealed for the peer at {}:{}: {} bytes more", peer->endpoint.to_string(),
                     peer->port, overhead),
         to_string(Row(*peer)));
    return Flight{.kind = Flight::Kind::wireguard,
                  .source = here().underlay_address,
                  .destination = peer->endpoint,
                  .overhead = overhead,
                  .port = peer->port,
                  .key = here().wireguard_key};
}

/// True unless it is known that the other end has another key or does not know ours.
bool Walker::handshake_succeeds(const WireguardPeerRow& peer) const {
    const auto there = world_.host_of_address.find(peer.endpoint);
    if (!here().wireguard_key) return true;
    if (there == world_.host_of_address.end()) return false;
    const WalkHost& host = world_.hosts[there->second];
    if (!host.wireguard_key) return true;
    if (*host.wireguard_key != peer.public_key) return false;
    const std::span<const TableLink> links = host.tables->links();
    const auto device = std::ranges::find_if(links, [&](const TableLink& link) {
        return link.present && link.kind == TableLink::Kind::wireguard && link.port == peer.port;
    });
    if (device == links.end()) return false;
    const ForwardingState rows = host.tables->dump();
    const Row* known = rows.find(
        WireguardPeerRow{.link = device->name, .public_key = *here().wireguard_key, .allowed = {}});
    return known != nullptr && std::get<WireguardPeerRow>(*known).psk == peer.psk;
}

std::optional<Walker::Flight> Walker::into_esp(const PolicyEntry& policy) {
    const std::string tunnel = fmt::format("{} -> {}", policy.tunnel_source.to_string(),
                                           policy.tunnel_destination.to_string());
    step("policy", fmt::format("a policy sends it through tunnel {}", tunnel),
         policy_text(PolicyRow::Direction::out));
    const SaEntry* sa =
        tables().outbound_sa(policy.tunnel_source, policy.tunnel_destination, policy.reqid);
    if (sa == nullptr) {
        return end(Disposition::sa_missing, "sa",
                   fmt::format("no SA for {} yet: dropped, and IKE is asked for one", tunnel));
    }
    const std::uint32_t overhead = esp_bytes(packet_.size, sa->encap_port != 0);
    size_on_wire_ = packet_.size + overhead;
    step("sa",
         fmt::format("in ESP{}: {} bytes more", sa->encap_port != 0 ? " over UDP" : "", overhead),
         to_string(Row(SaRow{policy.tunnel_source, policy.tunnel_destination, sa->spi, sa->reqid,
                             sa->encap_port})));
    return Flight{.kind = Flight::Kind::esp,
                  .source = policy.tunnel_source,
                  .destination = policy.tunnel_destination,
                  .overhead = overhead,
                  .dont_fragment = packet_.dont_fragment,
                  .port = sa->encap_port,
                  .spi = sa->spi};
}

}  // namespace overlab
