#include "sim/pod_device.h"

#include <ns3/ip-l4-protocol.h>
#include <ns3/ipv4-header.h>
#include <ns3/packet.h>

#include <algorithm>
#include <array>
#include <span>

#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/raw_header.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t ip_bytes = Ipv4Header::bytes;
constexpr std::uint32_t tcp_bytes = TcpHeader::bytes;
constexpr std::uint32_t udp_bytes = UdpHeader::bytes;
constexpr std::uint32_t icmp_bytes = Icmpv4Header::bytes;
constexpr std::size_t largest_tcp_header = 60;
constexpr std::size_t mss_option_bytes = 4;
constexpr std::uint32_t min_path_mtu = 552;  // net.ipv4.route.min_pmtu
constexpr std::uint8_t default_ttl = 64;

std::uint32_t label_key(IpProtocol protocol, std::uint16_t port) {
    return std::uint32_t{static_cast<std::uint8_t>(protocol)} << 16 | port;
}

/// What stands behind the IP header, as the packet ns-3's transport protocols take.
ns3::Ptr<ns3::Packet> transport_packet(Frame& frame) {
    ns3::Ptr<ns3::Packet> packet = frame.payload;
    if (packet == nullptr) {
        packet = ns3::Create<ns3::Packet>(frame.payload_bytes);
    } else if (packet->GetReferenceCount() > 1) {
        packet = packet->Copy();  // another frame still carries it
    }
    packet->AddHeader(
        RawHeader(std::span(frame.data() + ip_bytes, frame.header_bytes() - ip_bytes)));
    return packet;
}

ns3::Ipv4Header ns3_header(const Frame& frame, std::uint32_t payload_bytes) {
    ns3::Ipv4Header header;
    header.SetSource(ns3::Ipv4Address(ip_source(frame).bits));
    header.SetDestination(ns3::Ipv4Address(ip_destination(frame).bits));
    header.SetProtocol(ip_protocol(frame));
    header.SetTtl(frame.data()[ipv4_offset::ttl]);
    header.SetTos(frame.data()[ipv4_offset::dscp_ecn]);
    header.SetPayloadSize(static_cast<std::uint16_t>(payload_bytes));
    return header;
}

}  // namespace

NS_OBJECT_ENSURE_REGISTERED(PodDevice);

ns3::TypeId PodDevice::GetTypeId() {
    static const ns3::TypeId id = ns3::TypeId("overlab::sim::PodDevice")
                                      .SetParent<ns3::NetDevice>()
                                      .AddConstructor<PodDevice>();
    return id;
}

void PodDevice::DoDispose() {
    node_ = nullptr;
    ipv4_ = nullptr;
    interface_ = nullptr;
    ns3::NetDevice::DoDispose();
}

void PodDevice::set_up(Engine& engine, ns3::Ptr<ns3::Ipv4L3Protocol> ipv4,
                       ns3::Ptr<ns3::Ipv4Interface> interface) {
    engine_ = &engine;
    ipv4_ = ipv4;
    interface_ = interface;
}

void PodDevice::configure(Ipv4Address address, std::uint32_t mtu) {
    address_ = address;
    mtu_ = mtu;
    ++path_mtu_version_;
}

void PodDevice::forget_all() {
    configure({}, 0);
    path_mtus_.clear();
    reassembler_ = {};
}

std::uint32_t PodDevice::path_mtu(Ipv4Address destination) const {
    const std::uint32_t* learned = path_mtus_.find(destination.bits);
    return learned == nullptr ? mtu_ : std::min(*learned, mtu_);
}

void PodDevice::label(IpProtocol protocol, std::uint16_t local_port, std::uint32_t flow_id) {
    if (flow_id == 0) {
        flow_ids_.erase(label_key(protocol, local_port));
    } else {
        flow_ids_.put(label_key(protocol, local_port), flow_id);
    }
}

// --- out ---------------------------------------------------------------------------------------

void PodDevice::send_packet(ns3::Ptr<ns3::Packet> packet, ns3::Ipv4Address source,
                            ns3::Ipv4Address destination, std::uint8_t protocol,
                            ns3::Ptr<ns3::Ipv4Route>) {
    const SegmentPlan plan = std::exchange(plan_, {});
    if (mtu_ == 0 || port_ == nullptr) return;  // as an interface that is down

    FramePtr frame = take_headers(*packet, protocol);
    frame->payload_bytes = packet->GetSize();
    IpFields fields{.source = {source.Get()},
                    .destination = {destination.Get()},
                    .protocol = static_cast<IpProtocol>(protocol),
                    .ttl = default_ttl,
                    .dont_fragment = true};
    if (fields.source.is_unspecified()) fields.source = address_;
    if (fields.protocol == IpProtocol::tcp) return send_tcp(std::move(frame), fields, plan);
    if (frame->payload_bytes > 0) frame->payload = packet;
    send_datagram(std::move(frame), fields);
}

/// A frame that holds the transport header, which is cut off the packet.
FramePtr PodDevice::take_headers(ns3::Packet& packet, std::uint8_t protocol) const {
    std::array<std::uint8_t, largest_tcp_header> bytes;
    const std::uint32_t seen =
        packet.CopyData(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
    std::uint32_t length = seen;
    if (protocol == ip_protocol::tcp) {
        length = (bytes[12] >> 4U) * 4U;
    } else if (protocol == ip_protocol::udp) {
        length = udp_bytes;
    }
    CHECK(length <= seen);
    auto frame = std::make_unique<Frame>();
    std::memcpy(frame->prepend(length), bytes.data(), length);
    packet.RemoveAtStart(length);
    return frame;
}

void PodDevice::send_tcp(FramePtr frame, IpFields fields, SegmentPlan plan) {
    if ((frame->data()[13] & TcpHeader::syn) != 0) add_mss_option(*frame);
    if (plan.segment_bytes > 0 && frame->payload_bytes > plan.segment_bytes) {
        frame->segments = static_cast<std::uint16_t>(
            (frame->payload_bytes + plan.segment_bytes - 1) / plan.segment_bytes);
        frame->segment_payload = static_cast<std::uint16_t>(plan.segment_bytes);
    }
    if (plan.budget != nullptr) {
        frame->budget_bytes = static_cast<std::uint32_t>(frame->total_size());
        plan.budget->queued_bytes += frame->budget_bytes;
        frame->budget = std::move(plan.budget);
    }
    finish_and_send(std::move(frame), fields);
}

void PodDevice::send_datagram(FramePtr frame, IpFields fields) {
    if (fields.protocol == IpProtocol::icmp && frame->payload_bytes == 0) {
        write_icmp_checksum(std::span(frame->data(), frame->header_bytes()));
    }
    const bool fits = ip_bytes + frame->first_size() <= path_mtu(fields.destination);
    fields.dont_fragment = fits;
    finish_and_send(std::move(frame), fields);
}

void PodDevice::finish_and_send(FramePtr frame, IpFields fields) {
    const std::uint8_t* transport = frame->data();
    const bool has_ports = fields.protocol != IpProtocol::icmp;
    const std::uint16_t source_port = has_ports ? load_be16(transport) : std::uint16_t{0};
    const std::uint16_t destination_port = has_ports ? load_be16(transport + 2) : std::uint16_t{0};
    frame->flow_hash = overlab::flow_hash(fields.source, fields.destination,
                                          static_cast<std::uint8_t>(fields.protocol), source_port,
                                          destination_port);
    frame->outer_hash = frame->flow_hash;
    const std::uint32_t* flow = flow_ids_.find(label_key(fields.protocol, source_port));
    frame->flow_id = flow == nullptr ? 0 : *flow;

    fields.id = next_ip_id_;
    next_ip_id_ = static_cast<std::uint16_t>(next_ip_id_ + frame->segments);
    push_ipv4(*frame, fields);
    frame->inner_ip_at = frame->begin;
    if (fields.dont_fragment) return port_->to_host(std::move(frame));
    for (FramePtr& piece : fragment(std::move(frame), path_mtu(fields.destination))) {
        port_->to_host(std::move(piece));
    }
}

/// RFC 9293 §3.7.1: what this end can receive in one piece, header options not counted.
void PodDevice::add_mss_option(Frame& frame) const {
    const std::uint8_t* old = frame.data();
    std::uint8_t* tcp = frame.prepend(mss_option_bytes);
    std::memmove(tcp, old, tcp_bytes);
    std::uint8_t* option = tcp + tcp_bytes;
    option[0] = 2;  // maximum segment size
    option[1] = mss_option_bytes;
    store_be16(option + 2, static_cast<std::uint16_t>(mtu_ - ip_bytes - tcp_bytes));
    tcp[12] = static_cast<std::uint8_t>(tcp[12] + ((mss_option_bytes / 4) << 4U));
}

// --- in ----------------------------------------------------------------------------------------

void PodDevice::from_host(FramePtr frame) {
    if (mtu_ == 0 || ip_destination(*frame) != address_) return;  // not ours: as ip_rcv()
    if (ip_is_fragment(*frame)) {
        frame = reassembler_.add(std::move(frame), engine_->now_ns());
        if (frame == nullptr) return;
    }
    deliver(std::move(frame));
}

void PodDevice::deliver(FramePtr frame) {
    if (ip_protocol(*frame) == ip_protocol::icmp) learn_path_mtu(*frame);
    const auto protocol = ipv4_->GetProtocol(ip_protocol(*frame));
    if (protocol == nullptr) return;
    const auto packet = transport_packet(*frame);
    const auto status =
        protocol->Receive(packet, ns3_header(*frame, packet->GetSize()), interface_);
    if (status != ns3::IpL4Protocol::RX_ENDPOINT_UNREACH) return;
    FramePtr error = make_icmp_error(*frame, IcmpReason::port_unreachable, address_);
    if (error != nullptr) port_->to_host(std::move(error));
}

/// RFC 1191 §6.3. ns-3 hands the error on to the socket; the table is the whole pod's.
void PodDevice::learn_path_mtu(const Frame& error) {
    if (error.header_bytes() < 2 * ip_bytes + icmp_bytes) return;
    const auto icmp = Icmpv4Header::decode(std::span(error.data() + ip_bytes, icmp_bytes));
    if (!icmp || icmp->type != Icmpv4Header::destination_unreachable ||
        icmp->code != Icmpv4Header::fragmentation_needed) {
        return;
    }
    const std::uint8_t* quoted = error.data() + ip_bytes + icmp_bytes;
    const Ipv4Address destination{load_be32(quoted + ipv4_offset::destination)};
    const std::uint32_t mtu = std::max<std::uint32_t>(icmp->next_hop_mtu(), min_path_mtu);
    if (mtu >= path_mtu(destination)) return;
    path_mtus_.put(destination.bits, mtu);
    ++path_mtu_version_;
}

}  // namespace overlab::sim
