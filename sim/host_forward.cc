// The sending half of SimHost: which way a packet goes, and what is wrapped around it. Order of
// checks as in Linux: ip_route_input, policies (xfrm4_policy_check, xfrm4_route_forward), TTL, MTU,
// neighbour, device.
#include <algorithm>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/host_pod.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t tun_queue_packets = 500;  // tun_net_init(): TUN_READQ_SIZE
constexpr std::uint32_t esp_iv_bytes = 8;
constexpr std::uint8_t protocol_ipip = 4, tcp = 6, protocol_udp = 17, protocol_esp = 50;

void push_udp(Frame& frame, std::uint16_t source, std::uint16_t destination) {
    std::uint8_t* udp = frame.prepend(UdpHeader::bytes);
    store_be16(udp, source);
    store_be16(udp + 2, destination);
    store_be16(udp + 4, static_cast<std::uint16_t>(frame.first_size()));
    store_be16(udp + 6, 0);
}

void push_vxlan(Frame& frame, std::uint32_t vni, MacAddress to, MacAddress from) {
    std::uint8_t* inner_ethernet = frame.prepend(EthernetHeader::bytes);
    store_be48(inner_ethernet, to.bits);
    store_be48(inner_ethernet + 6, from.bits);
    store_be16(inner_ethernet + 12, ether_type::ipv4);
    std::uint8_t* vxlan = frame.prepend(VxlanHeader::bytes);
    store_be32(vxlan, 0x08000000);  // RFC 7348 §5: the I flag alone
    store_be32(vxlan + 4, vni << 8);
}

/// The largest inner packet whose ESP form fits `mtu`: xfrm_state_mtu() for AES-GCM with 4-byte
/// blocks.
std::uint32_t esp_inner_mtu(std::uint32_t mtu, bool udp_encapsulated) {
    const std::size_t outer = Ipv4Header::bytes + (udp_encapsulated ? UdpHeader::bytes : 0) +
                              EspHeader::bytes + esp_iv_bytes + esp_icv_bytes;
    return (mtu - static_cast<std::uint32_t>(outer)) / 4 * 4 - 2;
}

}  // namespace

void SimHost::Pod::to_host(FramePtr frame) {
    frame->inner_ip_at = frame->begin;
    frame->outer_hash = frame->flow_hash;
    Work work{.core = host_->cpu_.application_core(frame->flow_hash),
              .ready_ns = host_->engine_->now_ns()};
    if (host_->delivering_core_ && ip_protocol(*frame) == tcp && frame->payload_bytes == 0) {
        work.core = *host_->delivering_core_;  // tcp_send_ack(): no application has a part in it
    } else {
        host_->charge(work, CostStage::app_send, *frame);
    }
    host_->charge(work, CostStage::pod_stack, *frame);
    host_->charge(work, CostStage::veth_bridge, *frame);
    host_->forward(std::move(frame), work, Origin::pod);
}

void SimHost::forward(FramePtr packet, Work work, Origin origin) {
    Pod* pod = find_pod(ip_destination(*packet));
    if (pod != nullptr && origin == Origin::pod) {  // bridged
        deliver_to_pod(std::move(packet), work, *pod);
        return;
    }
    charge(work, CostStage::route, *packet);
    if (!policy_admits(*packet, origin)) {
        drop(DropReason::policy_mismatch, *packet);
        return;
    }
    const auto match = tables_.route(ip_destination(*packet));
    if (!match) {
        drop_reporting(DropReason::no_route, IcmpReason::net_unreachable, *packet);
        return;
    }
    if (origin != Origin::host) {
        if (packet->data()[ipv4_offset::ttl] <= 1) {
            drop_reporting(DropReason::ttl_expired, IcmpReason::ttl_expired, *packet);
            return;
        }
        decrement_ipv4_ttl(packet->data());
    }
    if (pod != nullptr) {
        to_bridge(std::move(packet), work, *match);
        return;
    }
    send_by(*match, std::move(packet), work);
}

/// Forwarded to a pod of this host: as ip_forward(), what came from a host with a larger MTU has to
/// fit the bridge's.
void SimHost::to_bridge(FramePtr packet, Work work, const RouteMatch& match) {
    const auto again = [&](FramePtr piece) { to_bridge(std::move(piece), work, match); };
    if (!fits(packet, tables_.link(match.entry.link).mtu, again)) return;
    Pod* pod = find_pod(ip_destination(*packet));
    CHECK(pod != nullptr);
    charge(work, CostStage::veth_bridge, *packet);
    deliver_to_pod(std::move(packet), work, *pod);
}

/// IPsec: what a policy covers must have come out of an SA, and nothing else may
/// (xfrm4_policy_check()).
bool SimHost::policy_admits(const Frame& packet, Origin origin) const {
    if (origin == Origin::pod || origin == Origin::host) return true;
    if (!tables_.any_policies()) return origin == Origin::underlay;
    const bool covered = tables_.policy(PolicyRow::Direction::fwd, ip_source(packet),
                                        ip_destination(packet)) != nullptr;
    return covered == (origin == Origin::esp);
}

void SimHost::send_by(const RouteMatch& match, FramePtr packet, Work work) {
    if (tables_.any_policies()) {
        const PolicyEntry* policy =
            tables_.policy(PolicyRow::Direction::out, ip_source(*packet), ip_destination(*packet));
        if (policy != nullptr) {
            into_esp(std::move(packet), work, *policy);
            return;
        }
    }
    const auto again = [&](FramePtr piece) { send_by(match, std::move(piece), work); };
    switch (tables_.link(match.entry.link).kind) {
        case TableLink::Kind::ethernet:
            to_ethernet(std::move(packet), work);
            return;
        case TableLink::Kind::bridge:  // our pod subnet, but no such pod: ARP stays unanswered
            if (!fits(packet, tables_.link(match.entry.link).mtu, again)) return;
            drop_reporting(DropReason::neighbour_unresolved, IcmpReason::host_unreachable, *packet);
            return;
        case TableLink::Kind::vxlan:
            into_vxlan(std::move(packet), work, match);
            return;
        case TableLink::Kind::tun:
            into_tun(std::move(packet), work, match.entry.link);
            return;
        case TableLink::Kind::ipip:
            into_ipip(std::move(packet), work, match);
            return;
        case TableLink::Kind::wireguard:  // rows can be held here, but no world is built on them
            drop(DropReason::tunnel_peer_missing, *packet);
            return;
    }
}

/// What a tunnel delivered goes on in `pieces` (>= 1); the first carries the work done so far. The
/// core's queue took it in as one. Without CPU costs it makes no difference, and stays whole.
void SimHost::forward_pieces(FramePtr packet, Work work, Origin origin, std::uint32_t pieces) {
    if (!admit(*packet, work)) return;
    work.admitted = true;
    for (; pieces > 1 && cpu_.enabled(); --pieces) {
        forward(packet->split_front(packet->segments / pieces), work, origin);
        work.cost_ns = 0;
    }
    forward(std::move(packet), work, origin);
}

void SimHost::deliver_to_pod(FramePtr packet, Work work, Pod& pod) {
    charge(work, CostStage::pod_stack, *packet);
    finish(std::move(packet), work, pod.resume);
}

/// True if the packet may go on by a link of `mtu`. Else it has been reported, or cut and `again`
/// was called for each piece.
template <typename Again>
bool SimHost::fits(FramePtr& packet, std::uint32_t mtu, Again again) {
    if (packet->first_size() <= mtu) return true;
    if (ip_dont_fragment(*packet)) {
        drop_reporting(DropReason::mtu_exceeded, IcmpReason::fragmentation_needed, *packet, mtu);
        return false;
    }
    for (FramePtr& single : single_packets(std::move(packet))) {
        for (FramePtr& piece : fragment(std::move(single), mtu)) again(std::move(piece));
    }
    return false;
}

void SimHost::to_ethernet(FramePtr packet, Work work) {
    const auto again = [&](FramePtr piece) { to_ethernet(std::move(piece), work); };
    if (!fits(packet, link_->mtu(), again)) return;
    charge(work, CostStage::nic_tx, *packet);
    finish(std::move(packet), work, to_underlay);
}

void SimHost::into_vxlan(FramePtr packet, Work work, const RouteMatch& match) {
    const LinkIndex index = match.entry.link;
    const TableLink& device = tables_.link(index);
    const auto again = [&](FramePtr piece) { into_vxlan(std::move(piece), work, match); };
    if (!fits(packet, device.mtu, again)) return;

    const Ipv4Address next_hop =
        match.entry.has_gateway ? match.entry.gateway : ip_destination(*packet);
    const auto mac = tables_.neighbour(index, next_hop);
    if (!mac) {
        drop_reporting(DropReason::neighbour_unresolved, IcmpReason::host_unreachable, *packet);
        return;
    }
    const auto remote = tables_.fdb(index, *mac);
    if (!remote) {  // vxlan_xmit(): no FDB row and no default, drop silently
        drop(DropReason::fdb_miss, *packet);
        return;
    }
    charge(work, CostStage::vxlan_encap, *packet);
    const std::uint16_t source_port = vxlan_source_port(packet->flow_hash);
    push_vxlan(*packet, device.vni, *mac, device.mac);
    push_udp(*packet, source_port, device.port);
    push_outer(*packet, {.source = device.local, .destination = *remote}, Encapsulation::vxlan);
    packet->outer_hash = flow_hash(device.local, *remote, protocol_udp, source_port, device.port);
    charge(work, CostStage::nic_tx, *packet);
    finish(std::move(packet), work, to_underlay);
}

/// The outer IPv4 header of a tunnel; the id counts real packets.
void SimHost::push_outer(Frame& packet, IpFields fields, Encapsulation encapsulation) {
    fields.id = next_ip_id_;
    next_ip_id_ = static_cast<std::uint16_t>(next_ip_id_ + packet.segments);
    packet.encapsulation = encapsulation;
    push_ipv4(packet, fields);
}

/// As ip_tunnel_xmit() of a device as flannel makes it (no `remote`, nopmtudisc, TTL and TOS
/// inherited as far as the kernel does): the outer destination is the route's next hop; DF is the
/// inner packet's, and only with it the path's MTU counts (tnl_update_pmtu()).
void SimHost::into_ipip(FramePtr packet, Work work, const RouteMatch& match) {
    constexpr std::uint8_t ecn_bits = 3, congestion_experienced = 3, ecn_capable = 2;
    const TableLink& device = tables_.link(match.entry.link);
    const Ipv4Address remote =
        match.entry.has_gateway ? match.entry.gateway : ip_destination(*packet);
    constexpr auto outer_bytes = static_cast<std::uint32_t>(Ipv4Header::bytes);
    const std::uint32_t path = path_mtu(remote) - outer_bytes;
    const auto again = [&](FramePtr piece) { into_ipip(std::move(piece), work, match); };
    const std::uint32_t mtu = ip_dont_fragment(*packet) ? std::min(device.mtu, path) : device.mtu;
    if (!fits(packet, mtu, again)) return;

    // The kernel's tunnels cost alike; docs/host-cpu-model.md says why ipip has no stage of its
    // own.
    charge(work, CostStage::vxlan_encap, *packet);
    const std::uint8_t* inner = packet->data();
    std::uint8_t ecn = inner[ipv4_offset::dscp_ecn] & ecn_bits;  // INET_ECN_encapsulate()
    if (ecn == congestion_experienced) ecn = ecn_capable;
    const IpFields outer{.source = device.local,
                         .destination = remote,
                         .protocol = IpProtocol::ipip,
                         .ttl = inner[ipv4_offset::ttl],
                         .dscp_ecn = ecn,
                         .dont_fragment = ip_dont_fragment(*packet)};
    push_outer(*packet, outer, Encapsulation::ipip);
    packet->outer_hash = flow_hash(device.local, remote, protocol_ipip, 0, 0);
    charge(work, CostStage::nic_tx, *packet);
    finish(std::move(packet), work, to_underlay);
}

// --- the UDP backend's proxy ------------------------------------------------------------------

void SimHost::into_tun(FramePtr packet, Work work, LinkIndex link) {
    const auto again = [&](FramePtr piece) { into_tun(std::move(piece), work, link); };
    if (!fits(packet, tables_.link(link).mtu, again)) return;
    finish(std::move(packet), work, to_proxy_out);
}

void SimHost::proxy_out(FramePtr packet) {
    packet->release_budget(*engine_, engine_->now_ns());  // tun_net_xmit() orphans the packet
    packet = admit_to_proxy(std::move(packet), CostStage::proxy_send, tun_queue_packets);
    if (packet == nullptr) return;
    const auto match = tables_.route(ip_destination(*packet));
    const auto peer =
        match ? tables_.tunnel_peer(match->entry.link, ip_destination(*packet)) : std::nullopt;
    if (!peer) {
        // The proxy writes the message into the TUN device, in the name of the destination
        // (real/tun/net_unreachable.h says why).
        drop_reporting(DropReason::tunnel_peer_missing, IcmpReason::net_unreachable, *packet, 0,
                       ip_destination(*packet));
        return;
    }
    if (packet->data()[ipv4_offset::ttl] <= 1) {  // flannel's proxy says nothing
        drop(DropReason::ttl_expired, *packet);
        return;
    }
    decrement_ipv4_ttl(packet->data());
    const TableLink& tun = tables_.link(match->entry.link);
    const auto& [remote, port] = *peer;
    Work work{.core = proxy_core(), .ready_ns = engine_->now_ns()};
    charge(work, CostStage::proxy_send, *packet);
    push_udp(*packet, tun.port, port);
    // An ordinary UDP socket (IP_PMTUDISC_WANT): DF until a router has said that the path is
    // smaller.
    const bool fits_path = packet->first_size() + Ipv4Header::bytes <= path_mtu(remote);
    push_outer(*packet, {.source = tun.local, .destination = remote, .dont_fragment = fits_path},
               Encapsulation::udp_proxy);
    packet->outer_hash = flow_hash(tun.local, remote, protocol_udp, tun.port, port);
    charge(work, CostStage::nic_tx, *packet);
    finish(std::move(packet), work, to_underlay);
}

// --- ESP --------------------------------------------------------------------------------------

void SimHost::into_esp(FramePtr packet, Work work, const PolicyEntry& policy) {
    const SaEntry* sa =
        tables_.outbound_sa(policy.tunnel_source, policy.tunnel_destination, policy.reqid);
    if (sa == nullptr) {  // xfrm_tmpl_resolve(): an acquire is sent, the packet is lost
        drop(DropReason::sa_missing, *packet);
        return;
    }
    const bool in_udp = sa->encap_port != 0;
    const auto again = [&](FramePtr piece) { into_esp(std::move(piece), work, policy); };
    const std::uint32_t mtu = esp_inner_mtu(path_mtu(policy.tunnel_destination), in_udp);
    if (!fits(packet, mtu, again)) return;

    charge(work, CostStage::esp_encrypt, *packet);
    const IpFields outer{.source = policy.tunnel_source,
                         .destination = policy.tunnel_destination,
                         .protocol = in_udp ? IpProtocol::udp : IpProtocol::esp,
                         .dscp_ecn = packet->data()[ipv4_offset::dscp_ecn],
                         .dont_fragment = ip_dont_fragment(*packet)};
    push_esp(*packet, *sa);
    if (in_udp) push_udp(*packet, sa->encap_port, sa->encap_port);
    push_outer(*packet, outer, in_udp ? Encapsulation::esp_in_udp : Encapsulation::esp);
    packet->outer_hash = in_udp ? flow_hash(outer.source, outer.destination, protocol_udp,
                                            sa->encap_port, sa->encap_port)
                                : flow_hash(outer.source, outer.destination, protocol_esp,
                                            static_cast<std::uint16_t>(sa->spi >> 16),
                                            static_cast<std::uint16_t>(sa->spi));
    charge(work, CostStage::nic_tx, *packet);
    finish(std::move(packet), work, to_underlay);
}

/// ESP header, IV and the sizes of the trailers. The bytes stay clear in memory; a capture seals
/// them.
void SimHost::push_esp(Frame& packet, const SaEntry& sa) {
    const std::uint32_t headers = packet.header_bytes();
    packet.trailer =
        static_cast<std::uint16_t>(esp_trailer_bytes(headers + packet.first_payload()));
    packet.last_trailer =
        static_cast<std::uint16_t>(esp_trailer_bytes(headers + packet.last_payload()));
    std::uint32_t* used = esp_sequence_.find(sa.spi);
    const std::uint32_t sequence = used == nullptr ? 1 : *used + 1;
    esp_sequence_.put(sa.spi, sequence + packet.segments - 1U);
    std::uint8_t* iv = packet.prepend(esp_iv_bytes);
    store_be32(iv, 0);
    store_be32(iv + 4, sequence);
    std::uint8_t* esp = packet.prepend(EspHeader::bytes);
    store_be32(esp, sa.spi);
    store_be32(esp + 4, sequence);
}

// --- the wire ---------------------------------------------------------------------------------

void SimHost::output(FramePtr packet) {
    if (guard_ != nullptr && !guard_->lets_out(*packet)) [[unlikely]] {
        guarded_ += packet->segments;
        return;
    }
    if (packet->first_size() > link_->mtu()) {
        if (ip_dont_fragment(*packet)) {
            drop(DropReason::mtu_exceeded, *packet);
            return;
        }
        packet->release_budget(*engine_, engine_->now_ns());
        for (FramePtr& single : single_packets(std::move(packet))) {
            for (FramePtr& piece : fragment(std::move(single), link_->mtu())) {
                output(std::move(piece));
            }
        }
        return;
    }
    const auto match = tables_.route(ip_destination(*packet));
    if (!match || match->entry.link != external_link_) {
        drop(DropReason::no_route, *packet);
        return;
    }
    const bool encrypted = packet->encapsulation == Encapsulation::esp ||
                           packet->encapsulation == Encapsulation::esp_in_udp;
    if (!encrypted && pod_subnet_.length > 0 &&
        pod_subnet_.contains(Ipv4Address{load_be32(packet->inner_ip() + ipv4_offset::source)})) {
        clear_pod_bytes_ += packet->total_size();
    }
    const Ipv4Address next_hop =
        match->entry.has_gateway ? match->entry.gateway : ip_destination(*packet);
    interface_.output(std::move(packet), next_hop);
}

}  // namespace overlab::sim
