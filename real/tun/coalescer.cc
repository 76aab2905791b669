#include "real/tun/coalescer.h"

#include <algorithm>
#include <cstring>

#include "models/net/bytes.h"
#include "models/net/wire.h"
#include "real/tun/ip_packet.h"
#include "real/tun/native_sum.h"
#include "real/tun/tcp_fields.h"

namespace overlab::real {
namespace {

constexpr std::size_t ip_header = 20;
constexpr std::size_t largest_packet = 0xffff;

bool checksums_are_right(const std::uint8_t* packet, std::size_t bytes) {
    if (detail::fold_sum(native_sum(packet, ip_header)) != 0xffff) return false;
    const std::uint64_t sum = native_sum(packet + ip_header, bytes - ip_header) +
                              native_pseudo_sum(packet, bytes - ip_header);
    return detail::fold_sum(sum) == 0xffff;
}

bool same(const std::uint8_t* a, const std::uint8_t* b, std::size_t at, std::size_t bytes) {
    return std::memcmp(a + at, b + at, bytes) == 0;
}

bool same_flow(const std::uint8_t* a, const std::uint8_t* b) {
    // Addresses and ports are next to each other when there are no IP options.
    return same(a, b, ipv4_offset::source, 12);
}

}  // namespace

std::uint32_t Coalescer::Segment::sequence() const {
    return load_be32(data + ip_header + tcp::sequence_at);
}

std::uint8_t Coalescer::Segment::flags() const { return data[ip_header + tcp::flags_at]; }

bool Coalescer::Segment::ends_super_packet() const {
    return (flags() & (TcpHeader::psh | TcpHeader::fin)) != 0;
}

Coalescer::Kind Coalescer::classify(std::span<std::uint8_t> packet, Segment& segment) {
    const auto ip = IpPacket::read(packet);
    if (!ip) return Kind::unknown;
    if (ip->protocol != ip_protocol::tcp) return Kind::not_tcp;
    if (ip->fragment || ip->header_bytes != ip_header || ip->total_bytes != packet.size() ||
        packet.size() < ip_header + TcpHeader::bytes) {
        return Kind::unknown;
    }
    const std::size_t tcp_bytes = tcp::header_bytes(packet.data() + ip_header);
    const std::size_t headers = ip_header + tcp_bytes;
    if (tcp_bytes < TcpHeader::bytes || headers >= packet.size()) return Kind::lone;
    segment = {packet.data(), headers, packet.size() - headers};
    constexpr auto never = TcpHeader::syn | TcpHeader::rst | TcpHeader::urg;
    if ((segment.flags() & never) != 0) return Kind::lone;
    return checksums_are_right(packet.data(), packet.size()) ? Kind::data : Kind::lone;
}

bool Coalescer::fits(const Flow& flow, const Segment& segment) {
    const std::uint8_t* a = flow.first.data;
    const std::uint8_t* b = segment.data;
    const auto id = static_cast<std::uint16_t>(load_be16(a + ipv4_offset::id) + flow.packets);
    if (segment.sequence() != flow.next_sequence ||
        segment.payload_bytes > flow.first.payload_bytes || flow.packets == max_packets ||
        flow.first.header_bytes + flow.payload_bytes + segment.payload_bytes > largest_packet ||
        load_be16(b + ipv4_offset::id) != id || (segment.flags() & TcpHeader::cwr) != 0) {
        return false;
    }
    constexpr auto may_differ = TcpHeader::cwr | TcpHeader::fin | TcpHeader::psh;
    const std::uint8_t* s = a + ip_header;
    const std::uint8_t* t = b + ip_header;
    return same(a, b, ipv4_offset::dscp_ecn, 1) && same(a, b, ipv4_offset::fragment, 2) &&
           same(a, b, ipv4_offset::ttl, 1) && same(s, t, tcp::acknowledgement_at, 4) &&
           same(s, t, tcp::data_offset_at, 1) &&
           ((flow.first.flags() ^ segment.flags()) & ~may_differ) == 0 &&
           same(s, t, tcp::window_at, 2) && same(s, t, tcp::urgent_at, 2) &&
           same(a, b, ip_header + tcp::options_at,
                segment.header_bytes - ip_header - tcp::options_at);
}

void Coalescer::add(std::span<std::uint8_t> packet) {
    Segment segment;
    switch (classify(packet, segment)) {
        case Kind::data:
            return add_data(segment);
        case Kind::lone:
            if (const std::size_t at = find(packet.data()); at < open_count_) close(at);
            break;
        case Kind::not_tcp:
            break;
        case Kind::unknown:
            flush();
            break;
    }
    const iovec piece{packet.data(), packet.size()};
    sink_.deliver({}, {&piece, 1});
}

void Coalescer::add_data(const Segment& segment) {
    const std::size_t at = find(segment.data);
    if (at == open_count_) return open(segment);
    Flow& flow = flows_[open_[at]];
    if (fits(flow, segment)) {
        const bool last =
            segment.payload_bytes < flow.first.payload_bytes || segment.ends_super_packet();
        append(flow, segment);
        if (last) close(at);
        return;
    }
    close(at);
    open(segment);
}

void Coalescer::append(Flow& flow, const Segment& segment) {
    flow.first.data[ip_header + tcp::flags_at] |=
        static_cast<std::uint8_t>(segment.flags() & (TcpHeader::psh | TcpHeader::fin));
    flow.pieces[flow.packets++] = {segment.data + segment.header_bytes, segment.payload_bytes};
    flow.payload_bytes += segment.payload_bytes;
    flow.next_sequence += static_cast<std::uint32_t>(segment.payload_bytes);
}

void Coalescer::open(const Segment& segment) {
    if (open_count_ == max_flows) close(0);
    Flow& flow = flows_[open_[open_count_++]];
    flow.first = segment;
    flow.pieces[0] = {segment.data, segment.header_bytes + segment.payload_bytes};
    flow.packets = 1;
    flow.payload_bytes = segment.payload_bytes;
    flow.next_sequence = segment.sequence() + static_cast<std::uint32_t>(segment.payload_bytes);
    if (segment.ends_super_packet()) close(open_count_ - 1);
}

std::size_t Coalescer::find(const std::uint8_t* packet) const {
    for (std::size_t i = 0; i < open_count_; ++i) {
        if (same_flow(flows_[open_[i]].first.data, packet)) return i;
    }
    return open_count_;
}

void Coalescer::close(std::size_t position) {
    deliver(flows_[open_[position]]);
    const auto at = open_.begin() + static_cast<std::ptrdiff_t>(position);
    std::rotate(at, at + 1, open_.begin() + static_cast<std::ptrdiff_t>(open_count_));
    --open_count_;
}

void Coalescer::flush() {
    for (std::size_t i = 0; i < open_count_; ++i) deliver(flows_[open_[i]]);
    open_count_ = 0;
}

void Coalescer::deliver(Flow& flow) {
    VnetHeader vnet{.flags = vnet::data_valid};
    if (flow.packets > 1) {
        std::uint8_t* packet = flow.first.data;
        const std::size_t bytes = flow.first.header_bytes + flow.payload_bytes;
        store_be16(packet + ipv4_offset::total_length, static_cast<std::uint16_t>(bytes));
        write_ipv4_header_checksum(packet);
        // As for a packet whose checksum the sender's device is to complete: the kernel takes it
        // to be right, and computes it only if the packet leaves by a device that cannot.
        store_native(packet + ip_header + tcp::checksum_at,
                     detail::fold_sum(native_pseudo_sum(packet, bytes - ip_header)));
        const bool cwr = (flow.first.flags() & TcpHeader::cwr) != 0;
        vnet = {.flags = vnet::needs_checksum,
                .gso_type = static_cast<std::uint8_t>(vnet::gso_tcpv4 | (cwr ? vnet::gso_ecn : 0)),
                .header_bytes = static_cast<std::uint16_t>(flow.first.header_bytes),
                .gso_size = static_cast<std::uint16_t>(flow.first.payload_bytes),
                .checksum_start = ip_header,
                .checksum_offset = tcp::checksum_at};
    }
    sink_.deliver(vnet, {flow.pieces.data(), flow.packets});
}

}  // namespace overlab::real
