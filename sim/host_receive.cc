// The receiving half of SimHost: what came in by the NIC, what it is taken out of, and who gets it.
#include <algorithm>

#include "models/net/bytes.h"
#include "models/net/wire.h"
#include "sim/host_pod.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t ip_bytes = 20, udp_bytes = 8;
constexpr std::uint32_t vxlan_overhead = ip_bytes + udp_bytes + 8 + 14;
constexpr std::uint32_t esp_overhead = 16;  // header and IV

/// Packets that fit a socket's receive buffer (net.core.rmem_default), charged by their true size
/// in memory.
std::uint32_t socket_buffer_packets(std::uint32_t packet_bytes) {
    constexpr std::uint32_t rmem_default = 212'992;
    const std::uint32_t true_size = (packet_bytes + 511) / 512 * 512 + 768;
    return rmem_default / true_size;
}

}  // namespace

void SimHost::receive_packet(FramePtr packet) {
    Work work{.core = cpu_.softirq_core(packet->outer_hash),
              .ready_ns = engine_->now_ns() + packet->tail_ns};
    charge(work, CostStage::nic_rx, *packet);
    if (!tables_.is_local(ip_destination(*packet))) {
        forward(std::move(packet), work, Origin::underlay);
        return;
    }
    if (ip_is_fragment(*packet)) {
        packet = reassembler_.add(std::move(packet), engine_->now_ns());
        if (packet == nullptr) {
            (void)cpu_.book(work.core, work.ready_ns, work.cost_ns);
            return;
        }
    }
    receive_local(std::move(packet), work);
}

void SimHost::receive_local(FramePtr packet, Work work) {
    switch (static_cast<IpProtocol>(ip_protocol(*packet))) {
        case IpProtocol::udp:
            receive_udp(std::move(packet), work);
            return;
        case IpProtocol::ipip:
            receive_ipip(std::move(packet), work);
            return;
        case IpProtocol::esp:
            receive_esp(std::move(packet), work, ip_bytes);
            return;
        case IpProtocol::icmp:
            learn_path_mtu(*packet);
            return;
        case IpProtocol::tcp:
            charge(work, CostStage::app_receive, *packet);
            finish(std::move(packet), work, to_socket);
            return;
    }
    drop(DropReason::no_listener, *packet);
}

void SimHost::receive_udp(FramePtr packet, Work work) {
    const std::uint8_t* udp = packet->data() + ip_bytes;
    const std::uint16_t port = load_be16(udp + 2);
    if (const LinkIndex tunnel = tunnel_on_port(port); tunnel != no_link) {
        if (tables_.link(tunnel).kind == TableLink::Kind::vxlan) {
            receive_vxlan(std::move(packet), work, tunnel);
        } else {
            finish(std::move(packet), work, to_proxy_in);
        }
        return;
    }
    // RFC 3948 §2.2: four zero bytes mark IKE on the port that ESP uses.
    if (port == udp_port::ike_nat && load_be32(udp + udp_bytes) != 0) {
        receive_esp(std::move(packet), work, ip_bytes + udp_bytes);
        return;
    }
    if (!sockets_.contains(socket_key(Transport::udp, port))) {
        drop_reporting(DropReason::no_listener, IcmpReason::port_unreachable, *packet);
        return;
    }
    charge(work, CostStage::app_receive, *packet);
    finish(std::move(packet), work, to_socket);
}

/// The VXLAN or TUN device whose UDP port this is.
LinkIndex SimHost::tunnel_on_port(std::uint16_t port) const {
    const auto links = tables_.links();
    for (LinkIndex i = 0; i < static_cast<LinkIndex>(links.size()); ++i) {
        const bool tunnel =
            links[i].kind == TableLink::Kind::vxlan || links[i].kind == TableLink::Kind::tun;
        if (links[i].present && tunnel && links[i].port == port) return i;
    }
    return no_link;
}

void SimHost::receive_vxlan(FramePtr packet, Work work, LinkIndex device) {
    const std::uint8_t* vxlan = packet->data() + ip_bytes + udp_bytes;
    const TableLink& link = tables_.link(device);
    const bool for_us =
        (load_be32(vxlan + 4) >> 8) == link.vni && load_be48(vxlan + 8) == link.mac.bits;
    if (!for_us) {  // another VNI, or an inner MAC that is not the VTEP's (PACKET_OTHERHOST)
        drop(DropReason::no_listener, *packet);
        return;
    }
    charge(work, CostStage::vxlan_decap, *packet);
    packet->strip(vxlan_overhead);
    packet->encapsulation = Encapsulation::none;
    packet->outer_hash = packet->flow_hash;
    forward(std::move(packet), work, Origin::underlay);
}

/// As ip_tunnel_lookup() for devices with a local address and no remote one.
void SimHost::receive_ipip(FramePtr packet, Work work) {
    const bool ours = std::ranges::any_of(tables_.links(), [&](const TableLink& link) {
        return link.present && link.kind == TableLink::Kind::ipip &&
               link.local == ip_destination(*packet);
    });
    if (!ours) {  // tunnel4_rcv()
        drop_reporting(DropReason::no_listener, IcmpReason::port_unreachable, *packet);
        return;
    }
    charge(work, CostStage::vxlan_decap, *packet);
    packet->strip(ip_bytes);
    packet->encapsulation = Encapsulation::none;
    packet->outer_hash = packet->flow_hash;
    forward(std::move(packet), work, Origin::underlay);
}

void SimHost::receive_esp(FramePtr packet, Work work, std::uint32_t outer_bytes) {
    const std::uint32_t spi = load_be32(packet->data() + outer_bytes);
    if (!tables_.has_inbound_sa(ip_destination(*packet), spi)) {
        drop(DropReason::sa_missing, *packet);
        return;
    }
    charge(work, CostStage::esp_decrypt, *packet);
    FlowMix& mix = tunnel_mix_[ip_source(*packet)];
    packet->strip(outer_bytes + esp_overhead);
    packet->trailer = packet->last_trailer = 0;
    packet->encapsulation = Encapsulation::none;
    packet->outer_hash = packet->flow_hash;
    const std::uint32_t pieces = FlowMix::pieces(packet->segments, mix.note(packet->flow_hash));
    forward_pieces(std::move(packet), work, Origin::esp, pieces);
}

void SimHost::proxy_in(FramePtr packet) {
    const std::uint32_t limit = socket_buffer_packets(packet->first_size());
    packet = admit_to_proxy(std::move(packet), CostStage::proxy_receive, limit);
    if (packet == nullptr) return;
    Work work{.core = proxy_core(), .ready_ns = engine_->now_ns()};
    charge(work, CostStage::proxy_receive, *packet);
    packet->strip(ip_bytes + udp_bytes);
    packet->encapsulation = Encapsulation::none;
    packet->outer_hash = packet->flow_hash;
    if (packet->data()[ipv4_offset::ttl] <= 1) {
        drop(DropReason::ttl_expired, *packet);
        return;
    }
    decrement_ipv4_ttl(packet->data());
    work.admitted = true;                           // by the proxy's own queue
    const std::uint32_t pieces = packet->segments;  // a TUN write is one packet; nothing joins them
    forward_pieces(std::move(packet), work, Origin::underlay, pieces);
}

}  // namespace overlab::sim
