#include "real/tun/segmenter.h"

#include <cstring>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/wire.h"
#include "real/tun/ip_packet.h"
#include "real/tun/native_sum.h"
#include "real/tun/tcp_fields.h"

namespace overlab::real {
namespace {

/// Length of the transport header at `at`; 0 if it is cut short or malformed.
std::size_t transport_header_bytes(std::uint8_t protocol, std::span<const std::uint8_t> packet,
                                   std::size_t at) {
    if (protocol == ip_protocol::udp) {
        return packet.size() >= at + UdpHeader::bytes ? UdpHeader::bytes : 0;
    }
    if (packet.size() < at + TcpHeader::bytes) return 0;
    const std::size_t bytes = tcp::header_bytes(packet.data() + at);
    return bytes >= TcpHeader::bytes ? bytes : 0;
}

std::optional<std::uint8_t> protocol_of(const VnetHeader& vnet) {
    switch (vnet.gso_type & ~vnet::gso_ecn) {
        case vnet::gso_tcpv4:
            return ip_protocol::tcp;
        case vnet::gso_udp_l4:
            return ip_protocol::udp;
        default:
            return std::nullopt;
    }
}

void write_ip_header(std::uint8_t* packet, std::size_t header_bytes, std::size_t total,
                     std::uint16_t id) {
    store_be16(packet + ipv4_offset::total_length, static_cast<std::uint16_t>(total));
    store_be16(packet + ipv4_offset::id, id);
    store_native(packet + ipv4_offset::checksum, 0);
    const std::uint16_t sum = detail::fold_sum(native_sum(packet, header_bytes));
    store_native(packet + ipv4_offset::checksum, static_cast<std::uint16_t>(~sum));
}

/// With the checksum field zero; answers what to store there.
std::uint16_t transport_checksum_of(const std::uint8_t* packet, std::size_t ip_header_bytes,
                                    std::size_t total) {
    const std::size_t bytes = total - ip_header_bytes;
    const std::uint64_t sum =
        native_sum(packet + ip_header_bytes, bytes) + native_pseudo_sum(packet, bytes);
    return static_cast<std::uint16_t>(~detail::fold_sum(sum));
}

void write_tcp_header(const SplitPlan& plan, std::uint8_t* packet, std::size_t index,
                      std::size_t total) {
    std::uint8_t* segment = packet + plan.ip_header_bytes;
    const auto skipped = static_cast<std::uint32_t>(index * plan.chunk_bytes);
    store_be32(segment + tcp::sequence_at, load_be32(segment + tcp::sequence_at) + skipped);
    if (index + 1 < plan.packets) {
        segment[tcp::flags_at] &= static_cast<std::uint8_t>(~(TcpHeader::fin | TcpHeader::psh));
    }
    if (index > 0) segment[tcp::flags_at] &= static_cast<std::uint8_t>(~TcpHeader::cwr);
    store_native(segment + tcp::checksum_at, 0);
    store_native(segment + tcp::checksum_at,
                 transport_checksum_of(packet, plan.ip_header_bytes, total));
}

void write_udp_header(const SplitPlan& plan, std::uint8_t* packet, std::size_t total) {
    constexpr std::size_t length_at = 4, checksum_at = 6;
    std::uint8_t* datagram = packet + plan.ip_header_bytes;
    store_be16(datagram + length_at, static_cast<std::uint16_t>(total - plan.ip_header_bytes));
    store_native(datagram + checksum_at, 0);
    const std::uint16_t checksum = transport_checksum_of(packet, plan.ip_header_bytes, total);
    // RFC 768: a computed zero is sent as all ones; zero would say "no checksum".
    store_native(datagram + checksum_at, checksum == 0 ? 0xffff : checksum);
}

}  // namespace

std::optional<SplitPlan> plan_split(const VnetHeader& vnet, std::span<const std::uint8_t> packet) {
    const auto protocol = protocol_of(vnet);
    const auto ip = IpPacket::read(packet);
    if (!protocol || !ip || ip->protocol != *protocol || ip->fragment || vnet.gso_size == 0 ||
        ip->total_bytes != packet.size()) {
        return std::nullopt;
    }
    const std::size_t transport = transport_header_bytes(*protocol, packet, ip->header_bytes);
    const std::size_t headers = ip->header_bytes + transport;
    if (transport == 0 || headers >= packet.size()) return std::nullopt;
    SplitPlan plan{.protocol = *protocol,
                   .ip_header_bytes = ip->header_bytes,
                   .header_bytes = headers,
                   .payload_bytes = packet.size() - headers,
                   .chunk_bytes = vnet.gso_size};
    plan.packets = (plan.payload_bytes + plan.chunk_bytes - 1) / plan.chunk_bytes;
    return plan;
}

void split_in_place(const SplitPlan& plan, std::span<std::uint8_t> room) {
    CHECK(room.size() >= plan.all_bytes());
    CHECK(plan.packets > 0);
    std::uint8_t* base = room.data();
    const std::uint16_t first_id = load_be16(base + ipv4_offset::id);
    // From the last to the first: a payload's new place may cover the old places of later ones
    // only, and the first packet's header, which all copy, is changed last.
    for (std::size_t i = plan.packets; i-- > 0;) {
        std::uint8_t* packet = base + i * plan.packet_bytes();
        const std::size_t total =
            i + 1 == plan.packets ? plan.last_packet_bytes() : plan.packet_bytes();
        if (i > 0) {
            std::memmove(packet + plan.header_bytes,
                         base + plan.header_bytes + i * plan.chunk_bytes,
                         total - plan.header_bytes);
            std::memcpy(packet, base, plan.header_bytes);
        }
        write_ip_header(packet, plan.ip_header_bytes, total,
                        static_cast<std::uint16_t>(first_id + i));
        if (plan.protocol == ip_protocol::tcp) {
            write_tcp_header(plan, packet, i, total);
        } else {
            write_udp_header(plan, packet, total);
        }
    }
}

bool complete_checksum(const VnetHeader& vnet, std::span<std::uint8_t> packet) {
    const std::size_t field = std::size_t{vnet.checksum_start} + vnet.checksum_offset;
    if (field + 2 > packet.size()) return false;
    // The field holds the pseudo-header's sum, so summing over it completes the job.
    const std::uint64_t sum =
        native_sum(packet.data() + vnet.checksum_start, packet.size() - vnet.checksum_start);
    const auto checksum = static_cast<std::uint16_t>(~detail::fold_sum(sum));
    store_native(packet.data() + field, checksum == 0 ? 0xffff : checksum);
    return true;
}

}  // namespace overlab::real
