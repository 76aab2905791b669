#include "sim/ip_packet.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "models/net/bytes.h"
#include "models/net/checksum.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t ip_bytes = 20;
constexpr std::size_t icmp_bytes = 8;
constexpr std::uint16_t flag_df = 0x4000, flag_mf = 0x2000, offset_mask = 0x1fff;
constexpr std::uint8_t icmp_unreachable = 3, icmp_time_exceeded = 11;
constexpr std::uint8_t linux_icmp_tos = 0xc0;  // icmp_send(): internetwork control

std::uint16_t fragment_field(const std::uint8_t* ip) {
    return load_be16(ip + ipv4_offset::fragment);
}

std::pair<std::uint8_t, std::uint8_t> icmp_type_and_code(IcmpReason reason) {
    switch (reason) {
        case IcmpReason::net_unreachable:
            return {icmp_unreachable, 0};
        case IcmpReason::host_unreachable:
            return {icmp_unreachable, 1};
        case IcmpReason::port_unreachable:
            return {icmp_unreachable, 3};
        case IcmpReason::fragmentation_needed:
            return {icmp_unreachable, 4};
        case IcmpReason::ttl_expired:
            break;
    }
    return {icmp_time_exceeded, 0};
}

bool may_be_reported(const std::uint8_t* ip) {
    if ((fragment_field(ip) & offset_mask) != 0) return false;
    if (ip[ipv4_offset::protocol] != static_cast<std::uint8_t>(IpProtocol::icmp)) return true;
    const std::uint8_t type = ip[std::size_t{ip[0] & 0x0fU} * 4];
    return type == 0 || type == 8;  // echo reply, echo request
}

/// All payload bytes of a single packet, zeros where it carries only a length.
std::vector<std::uint8_t> payload_of(const Frame& packet) {
    std::vector<std::uint8_t> bytes(packet.payload_bytes);
    if (packet.payload != nullptr) packet.payload->CopyData(bytes.data(), packet.payload_bytes);
    return bytes;
}

/// Writes the checksum of the UDP or TCP header of the packet whose IP header is at `ip`.
void complete_transport(std::uint8_t* ip, std::span<const std::uint8_t> headers_after_ip,
                        std::span<const std::uint8_t> payload) {
    const std::uint8_t protocol = ip[ipv4_offset::protocol];
    const bool is_tcp = protocol == static_cast<std::uint8_t>(IpProtocol::tcp);
    const bool is_udp = protocol == static_cast<std::uint8_t>(IpProtocol::udp);
    const bool partial = (fragment_field(ip) & (flag_mf | offset_mask)) != 0;
    if ((!is_tcp && !is_udp) || partial) return;
    const std::size_t at = is_tcp ? 16 : 6;
    std::uint8_t* transport = ip + ip_bytes;
    store_be16(transport + at, 0);
    std::vector<std::uint8_t> segment(headers_after_ip.begin(), headers_after_ip.end());
    segment.insert(segment.end(), payload.begin(), payload.end());
    std::uint16_t sum = transport_checksum(Ipv4Address{load_be32(ip + ipv4_offset::source)},
                                           Ipv4Address{load_be32(ip + ipv4_offset::destination)},
                                           protocol, segment);
    if (is_udp && sum == 0) sum = 0xffff;  // RFC 768: zero means none
    store_be16(transport + at, sum);
}

/// `length` bytes of `packet` from `offset` behind its IP header, as a packet with the same IP
/// header.
FramePtr piece_of(const Frame& packet, std::uint32_t offset, std::uint32_t length) {
    const std::uint32_t headers = packet.header_bytes() - ip_bytes;
    auto piece = offset == 0 ? std::make_unique<Frame>(packet) : std::make_unique<Frame>();
    piece->flow_hash = packet.flow_hash;
    piece->outer_hash = packet.outer_hash;
    piece->flow_id = packet.flow_id;
    if (offset > 0) {
        std::memcpy(piece->prepend(ip_bytes), packet.data(), ip_bytes);
        piece->inner_ip_at = piece->begin;
    }
    const std::uint32_t skip = offset == 0 ? 0 : offset - headers;
    const std::uint32_t wanted = offset == 0 ? length - headers : length;
    const std::uint32_t available = packet.payload_bytes - std::min(skip, packet.payload_bytes);
    piece->payload_bytes = std::min(wanted, available);
    piece->last_trailer = static_cast<std::uint16_t>(wanted - piece->payload_bytes);
    if (packet.payload != nullptr && piece->payload_bytes > 0) {
        piece->payload = packet.payload->CreateFragment(skip, piece->payload_bytes);
    }
    return piece;
}

void mark_piece(Frame& piece, std::uint16_t whole_field, std::uint32_t offset, bool more) {
    std::uint8_t* ip = piece.data();
    store_be16(ip + ipv4_offset::total_length, static_cast<std::uint16_t>(piece.first_size()));
    const auto flags = more || (whole_field & flag_mf) != 0 ? flag_mf : std::uint16_t{0};
    store_be16(ip + ipv4_offset::fragment,
               static_cast<std::uint16_t>(flags + (whole_field & offset_mask) + offset / 8));
    write_ipv4_header_checksum(ip);
}

}  // namespace

void push_ipv4(Frame& frame, const IpFields& fields) {
    std::uint8_t* ip = frame.prepend(ip_bytes);
    ip[0] = 0x45;
    ip[ipv4_offset::dscp_ecn] = fields.dscp_ecn;
    const std::uint32_t length = frame.first_size();
    CHECK(length <= 0xffff);
    store_be16(ip + ipv4_offset::total_length, static_cast<std::uint16_t>(length));
    store_be16(ip + ipv4_offset::id, fields.id);
    store_be16(ip + ipv4_offset::fragment, fields.dont_fragment ? flag_df : std::uint16_t{0});
    ip[ipv4_offset::ttl] = fields.ttl;
    ip[ipv4_offset::protocol] = static_cast<std::uint8_t>(fields.protocol);
    store_be32(ip + ipv4_offset::source, fields.source.bits);
    store_be32(ip + ipv4_offset::destination, fields.destination.bits);
    write_ipv4_header_checksum(ip);
}

Ipv4Address ip_source(const Frame& frame) {
    return {load_be32(frame.data() + ipv4_offset::source)};
}
Ipv4Address ip_destination(const Frame& frame) {
    return {load_be32(frame.data() + ipv4_offset::destination)};
}
std::uint8_t ip_protocol(const Frame& frame) { return frame.data()[ipv4_offset::protocol]; }
bool ip_dont_fragment(const Frame& frame) { return (fragment_field(frame.data()) & flag_df) != 0; }
bool ip_is_fragment(const Frame& frame) {
    return (fragment_field(frame.data()) & (flag_mf | offset_mask)) != 0;
}

FramePtr make_icmp_error(const Frame& cause, IcmpReason reason, Ipv4Address reporter,
                         std::uint32_t next_hop_mtu) {
    const std::uint8_t* ip = cause.data();
    if (!may_be_reported(ip)) return nullptr;

    auto error = std::make_unique<Frame>();
    const std::size_t quoted = std::min<std::size_t>(ip_bytes + 8, cause.header_bytes());
    std::memcpy(error->prepend(quoted), ip, quoted);
    std::uint8_t* icmp = error->prepend(icmp_bytes);
    std::memset(icmp, 0, icmp_bytes);
    std::tie(icmp[0], icmp[1]) = icmp_type_and_code(reason);
    store_be16(icmp + 6, static_cast<std::uint16_t>(next_hop_mtu));
    store_be16(icmp + 2, internet_checksum({icmp, icmp_bytes + quoted}));
    push_ipv4(*error, {.source = reporter,
                       .destination = ip_source(cause),
                       .protocol = IpProtocol::icmp,
                       .dscp_ecn = linux_icmp_tos});
    error->inner_ip_at = error->begin;
    error->flow_hash = error->outer_hash = cause.flow_hash;
    return error;
}

void complete_checksums(Frame& packet) {
    CHECK(packet.segments == 1);
    const std::vector<std::uint8_t> payload = payload_of(packet);
    const auto after = [&](const std::uint8_t* ip) {
        const std::uint8_t* from = ip + ip_bytes;
        const std::uint8_t* end = packet.bytes.data() + Frame::capacity;
        return std::span<const std::uint8_t>(from, end);
    };
    if (packet.inner_ip_at < Frame::capacity) {
        complete_transport(packet.inner_ip(), after(packet.inner_ip()), payload);
    }
    // flannel's vxlan device computes it (udpcsum), over the finished inner packet.
    if (packet.encapsulation == Encapsulation::udp_proxy ||
        packet.encapsulation == Encapsulation::vxlan) {
        complete_transport(packet.outer_ip(), after(packet.outer_ip()), payload);
    }
}

std::vector<FramePtr> single_packets(FramePtr frame) {
    std::vector<FramePtr> packets;
    while (frame->segments > 1) packets.push_back(frame->split_front(1));
    packets.push_back(std::move(frame));
    return packets;
}

std::vector<FramePtr> fragment(FramePtr packet, std::uint32_t mtu) {
    CHECK(packet->segments == 1 && !packet->has_ethernet);
    const std::uint32_t unit = (mtu - ip_bytes) / 8 * 8;
    CHECK(unit > Frame::capacity);
    if (!ip_is_fragment(*packet)) complete_checksums(*packet);

    std::vector<FramePtr> pieces;
    // Behind our header buffer lie the payload and, as zero bytes, an ESP trailer.
    const std::uint32_t first_headers = packet->header_bytes() - ip_bytes;
    const std::uint32_t total = first_headers + packet->payload_bytes + packet->last_trailer;
    for (std::uint32_t offset = 0; offset < total; offset += unit) {
        pieces.push_back(piece_of(*packet, offset, std::min(unit, total - offset)));
        mark_piece(*pieces.back(), fragment_field(packet->data()), offset, offset + unit < total);
    }
    return pieces;
}

FramePtr Reassembler::add(FramePtr piece, std::int64_t now_ns) {
    std::erase_if(pending_,
                  [&](const auto& entry) { return now_ns - entry.second.first_ns > timeout_ns; });
    const Key key{ip_source(*piece).bits, ip_destination(*piece).bits,
                  load_be16(piece->data() + ipv4_offset::id), ip_protocol(*piece)};
    if (!pending_.contains(key) && pending_.size() >= max_packets) return nullptr;
    Parts& parts = pending_[key];
    if (parts.by_offset.empty()) parts.first_ns = now_ns;
    const std::uint32_t offset = (fragment_field(piece->data()) & offset_mask) * 8U;
    parts.by_offset.try_emplace(offset, std::move(piece));
    if (!complete(parts)) return nullptr;
    FramePtr whole = join(parts);
    pending_.erase(key);
    return whole;
}

bool Reassembler::complete(const Parts& parts) {
    std::uint32_t expected = 0;
    for (const auto& [offset, piece] : parts.by_offset) {
        if (offset != expected) return false;
        expected += piece->first_size() - ip_bytes;
        if ((fragment_field(piece->data()) & flag_mf) == 0) return true;
    }
    return false;
}

FramePtr Reassembler::join(Parts& parts) {
    auto part = parts.by_offset.begin();
    FramePtr whole = std::move(part->second);
    for (++part; part != parts.by_offset.end(); ++part) {
        const Frame& next = *part->second;
        if (next.payload != nullptr) {
            const auto joined = whole->payload == nullptr
                                    ? ns3::Create<ns3::Packet>(whole->payload_bytes)
                                    : whole->payload->Copy();
            joined->AddAtEnd(next.payload);
            whole->payload = joined;
        }
        whole->payload_bytes += next.payload_bytes;
        whole->last_trailer = next.last_trailer;
    }
    std::uint8_t* ip = whole->data();
    store_be16(ip + ipv4_offset::fragment, 0);
    store_be16(ip + ipv4_offset::total_length, static_cast<std::uint16_t>(whole->first_size()));
    write_ipv4_header_checksum(ip);
    return whole;
}

}  // namespace overlab::sim
