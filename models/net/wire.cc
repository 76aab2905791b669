#include "models/net/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/checksum.h"

namespace overlab {
namespace {

using Input = std::span<const std::uint8_t>;
using Output = std::span<std::uint8_t>;

constexpr std::uint16_t arp_hardware_ethernet = 1;
constexpr std::uint8_t mac_bytes = 6, ipv4_address_bytes = 4;
constexpr std::uint16_t flag_dont_fragment = 0x4000, flag_more_fragments = 0x2000;
constexpr std::uint16_t fragment_units_mask = 0x1fff;
constexpr std::uint8_t vxlan_flag_vni = 0x08;
constexpr std::uint32_t largest_vni = 0xff'ffff;
constexpr std::size_t largest_header = 60;  // IPv4 and TCP: a 4-bit count of 32-bit words

template <typename... Args>
std::unexpected<Error> malformed(fmt::format_string<Args...> what, Args&&... args) {
    return fail(ErrorKind::invalid_argument, fmt::format(what, std::forward<Args>(args)...));
}

std::unexpected<Error> cut_short(std::string_view header, std::size_t have, std::size_t need) {
    return malformed("{}: cut short, {} of {} bytes", header, have, need);
}

bool valid_header_bytes(std::size_t n, std::size_t fixed) {
    return n >= fixed && n <= largest_header && n % 4 == 0;
}

}  // namespace

Result<EthernetHeader> EthernetHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("Ethernet header", in.size(), bytes);
    return EthernetHeader{.destination = {load_be48(&in[0])},
                          .source = {load_be48(&in[6])},
                          .ether_type = load_be16(&in[12])};
}

void EthernetHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    store_be48(&out[0], destination.bits);
    store_be48(&out[6], source.bits);
    store_be16(&out[12], ether_type);
}

Result<ArpPacket> ArpPacket::decode(Input in) {
    if (in.size() < bytes) return cut_short("ARP packet", in.size(), bytes);
    if (load_be16(&in[0]) != arp_hardware_ethernet || load_be16(&in[2]) != ether_type::ipv4 ||
        in[4] != mac_bytes || in[5] != ipv4_address_bytes) {
        return malformed("ARP packet: not IPv4 over Ethernet");
    }
    return ArpPacket{.operation = load_be16(&in[6]),
                     .sender_mac = {load_be48(&in[8])},
                     .sender_ip = {load_be32(&in[14])},
                     .target_mac = {load_be48(&in[18])},
                     .target_ip = {load_be32(&in[24])}};
}

void ArpPacket::encode(Output out) const {
    CHECK(out.size() >= bytes);
    store_be16(&out[0], arp_hardware_ethernet);
    store_be16(&out[2], ether_type::ipv4);
    out[4] = mac_bytes;
    out[5] = ipv4_address_bytes;
    store_be16(&out[6], operation);
    store_be48(&out[8], sender_mac.bits);
    store_be32(&out[14], sender_ip.bits);
    store_be48(&out[18], target_mac.bits);
    store_be32(&out[24], target_ip.bits);
}

Result<Ipv4Header> Ipv4Header::decode(Input in) {
    if (in.size() < bytes) return cut_short("IPv4 header", in.size(), bytes);
    if (in[0] >> 4 != 4) return malformed("IPv4 header: version {}", in[0] >> 4);
    const std::size_t with_options = std::size_t{in[0] & 0xfU} * 4;
    if (with_options < bytes) return malformed("IPv4 header: length {}", with_options);
    if (in.size() < with_options) return cut_short("IPv4 header", in.size(), with_options);
    if (internet_checksum(in.first(with_options)) != 0) {
        return malformed("IPv4 header: wrong checksum {:#06x}", load_be16(&in[10]));
    }
    const std::uint16_t fragment = load_be16(&in[6]);
    const Ipv4Header header{
        .header_bytes = static_cast<std::uint8_t>(with_options),
        .dscp_ecn = in[1],
        .total_length = load_be16(&in[2]),
        .id = load_be16(&in[4]),
        .dont_fragment = (fragment & flag_dont_fragment) != 0,
        .more_fragments = (fragment & flag_more_fragments) != 0,
        .fragment_offset = static_cast<std::uint16_t>((fragment & fragment_units_mask) * 8),
        .ttl = in[8],
        .protocol = in[9],
        .source = {load_be32(&in[12])},
        .destination = {load_be32(&in[16])}};
    if (header.total_length < with_options) {
        return malformed("IPv4 header: total length {} is below header length {}",
                         header.total_length, with_options);
    }
    return header;
}

void Ipv4Header::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(header_bytes == bytes);
    CHECK(total_length >= bytes);
    CHECK(fragment_offset % 8 == 0);
    out[0] = 0x45;
    out[1] = dscp_ecn;
    store_be16(&out[2], total_length);
    store_be16(&out[4], id);
    store_be16(&out[6], static_cast<std::uint16_t>((dont_fragment ? flag_dont_fragment : 0) |
                                                   (more_fragments ? flag_more_fragments : 0) |
                                                   fragment_offset / 8));
    out[8] = ttl;
    out[9] = protocol;
    store_be32(&out[12], source.bits);
    store_be32(&out[16], destination.bits);
    write_ipv4_header_checksum(&out[0]);
}

Result<UdpHeader> UdpHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("UDP header", in.size(), bytes);
    const UdpHeader header{.source_port = load_be16(&in[0]),
                           .destination_port = load_be16(&in[2]),
                           .length = load_be16(&in[4]),
                           .checksum = load_be16(&in[6])};
    if (header.length < bytes) return malformed("UDP header: length {}", header.length);
    return header;
}

void UdpHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(length >= bytes);
    store_be16(&out[0], source_port);
    store_be16(&out[2], destination_port);
    store_be16(&out[4], length);
    store_be16(&out[6], checksum);
}

Result<TcpHeader> TcpHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("TCP header", in.size(), bytes);
    const std::size_t with_options = (std::size_t{in[12]} >> 4) * 4;
    if (with_options < bytes) return malformed("TCP header: data offset {}", with_options);
    if (in.size() < with_options) return cut_short("TCP header", in.size(), with_options);
    return TcpHeader{.source_port = load_be16(&in[0]),
                     .destination_port = load_be16(&in[2]),
                     .sequence = load_be32(&in[4]),
                     .acknowledgement = load_be32(&in[8]),
                     .header_bytes = static_cast<std::uint8_t>(with_options),
                     .flags = in[13],
                     .window = load_be16(&in[14]),
                     .checksum = load_be16(&in[16]),
                     .urgent_pointer = load_be16(&in[18])};
}

void TcpHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(valid_header_bytes(header_bytes, bytes));
    store_be16(&out[0], source_port);
    store_be16(&out[2], destination_port);
    store_be32(&out[4], sequence);
    store_be32(&out[8], acknowledgement);
    out[12] = static_cast<std::uint8_t>(header_bytes / 4 << 4);
    out[13] = flags;
    store_be16(&out[14], window);
    store_be16(&out[16], checksum);
    store_be16(&out[18], urgent_pointer);
}

Icmpv4Header Icmpv4Header::too_big(std::uint16_t next_hop_mtu) {
    return {
        .type = destination_unreachable, .code = fragmentation_needed, .sequence = next_hop_mtu};
}

Result<Icmpv4Header> Icmpv4Header::decode(Input in) {
    if (in.size() < bytes) return cut_short("ICMP header", in.size(), bytes);
    return Icmpv4Header{.type = in[0],
                        .code = in[1],
                        .checksum = load_be16(&in[2]),
                        .identifier = load_be16(&in[4]),
                        .sequence = load_be16(&in[6])};
}

void Icmpv4Header::encode(Output out) const {
    CHECK(out.size() >= bytes);
    out[0] = type;
    out[1] = code;
    store_be16(&out[2], checksum);
    store_be16(&out[4], identifier);
    store_be16(&out[6], sequence);
}

void write_icmp_checksum(Output message) {
    CHECK(message.size() >= Icmpv4Header::bytes);
    store_be16(&message[2], 0);
    store_be16(&message[2], internet_checksum(message));
}

Result<VxlanHeader> VxlanHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("VXLAN header", in.size(), bytes);
    if ((in[0] & vxlan_flag_vni) == 0) return malformed("VXLAN header: no VNI (I flag unset)");
    return VxlanHeader{.vni = load_be32(&in[4]) >> 8};
}

void VxlanHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(vni <= largest_vni);
    store_be32(&out[0], std::uint32_t{vxlan_flag_vni} << 24);
    store_be32(&out[4], vni << 8);
}

Result<EspHeader> EspHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("ESP header", in.size(), bytes);
    const EspHeader header{.spi = load_be32(&in[0]), .sequence = load_be32(&in[4])};
    if (header.spi == 0) return malformed("ESP header: SPI 0");
    return header;
}

void EspHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(spi != 0);
    store_be32(&out[0], spi);
    store_be32(&out[4], sequence);
}

Result<IkeHeader> IkeHeader::decode(Input in) {
    if (in.size() < bytes) return cut_short("IKE header", in.size(), bytes);
    const IkeHeader header{.initiator_spi = load_be64(&in[0]),
                           .responder_spi = load_be64(&in[8]),
                           .next_payload = in[16],
                           .version = in[17],
                           .exchange_type = in[18],
                           .flags = in[19],
                           .message_id = load_be32(&in[20]),
                           .length = load_be32(&in[24])};
    if (header.version >> 4 != 2) return malformed("IKE header: version {}", header.version >> 4);
    if (header.length < bytes) return malformed("IKE header: length {}", header.length);
    return header;
}

void IkeHeader::encode(Output out) const {
    CHECK(out.size() >= bytes);
    CHECK(length >= bytes);
    store_be64(&out[0], initiator_spi);
    store_be64(&out[8], responder_spi);
    out[16] = next_payload;
    out[17] = version;
    out[18] = exchange_type;
    out[19] = flags;
    store_be32(&out[20], message_id);
    store_be32(&out[24], length);
}

}  // namespace overlab
