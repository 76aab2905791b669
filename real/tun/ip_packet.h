// What the tunnel's data path must know of an IPv4 packet before it touches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "models/net/address.h"
#include "models/net/bytes.h"

namespace overlab::real {

struct IpPacket {
    std::size_t header_bytes = 0;  ///< 20..60
    std::size_t total_bytes = 0;   ///< as the header says; at most what there is
    std::uint8_t protocol = 0;
    std::uint8_t ttl = 0;
    bool fragment = false;        ///< of a larger packet: first, middle or last
    bool later_fragment = false;  ///< not the first: has no transport header
    Ipv4Address source, destination;

    /// Empty for what ip_rcv() refuses by its lengths or version, so that no later step reads or
    /// writes outside of `bytes`. The header's checksum is not looked at.
    [[nodiscard]] static std::optional<IpPacket> read(std::span<const std::uint8_t> bytes) {
        constexpr std::size_t least = 20;
        if (bytes.size() < least || bytes[0] >> 4 != 4) return std::nullopt;
        const std::uint8_t* header = bytes.data();
        IpPacket packet;
        packet.header_bytes = std::size_t{4} * (header[0] & 0xf);
        packet.total_bytes = load_be16(header + ipv4_offset::total_length);
        if (packet.header_bytes < least || packet.total_bytes < packet.header_bytes ||
            packet.total_bytes > bytes.size()) {
            return std::nullopt;
        }
        packet.protocol = header[ipv4_offset::protocol];
        packet.ttl = header[ipv4_offset::ttl];
        const std::uint16_t fragment = load_be16(header + ipv4_offset::fragment);
        packet.fragment = (fragment & 0x3fff) != 0;
        packet.later_fragment = (fragment & 0x1fff) != 0;
        packet.source = {load_be32(header + ipv4_offset::source)};
        packet.destination = {load_be32(header + ipv4_offset::destination)};
        return packet;
    }
};

}  // namespace overlab::real
