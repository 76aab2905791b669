// The internet checksum (RFC 1071), its pseudo-header for UDP and TCP over IPv4 (RFC 768, RFC 9293
// §3.1) and its incremental update (RFC 1624). All values are in host byte order.
#pragma once

#include <cstdint>
#include <span>

#include "models/net/address.h"

namespace overlab {

/// One's complement sum of `data` as big-endian 16-bit words, an odd last byte padded with zero.
/// `initial` continues a sum over an earlier part of even length. Not complemented.
[[nodiscard]] std::uint16_t ones_complement_sum(std::span<const std::uint8_t> data,
                                                std::uint16_t initial = 0);

/// 0 when `data` holds its own, correct checksum.
[[nodiscard]] std::uint16_t internet_checksum(std::span<const std::uint8_t> data);

/// Sum of source, destination, protocol and length, for `initial` of ones_complement_sum.
[[nodiscard]] std::uint16_t pseudo_header_sum(Ipv4Address source, Ipv4Address destination,
                                              std::uint8_t protocol, std::uint16_t length);

/// Checksum over pseudo-header and `segment` (transport header and payload, at most 65535 bytes).
/// With the checksum field zero: the value to store in it (UDP: see udp_checksum). As received: 0
/// when correct.
[[nodiscard]] std::uint16_t transport_checksum(Ipv4Address source, Ipv4Address destination,
                                               std::uint8_t protocol,
                                               std::span<const std::uint8_t> segment);

/// The value to store in a UDP header whose checksum field is zero. Never 0, which would say
/// "none".
[[nodiscard]] std::uint16_t udp_checksum(Ipv4Address source, Ipv4Address destination,
                                         std::span<const std::uint8_t> datagram);

/// The checksum after one 16-bit word it covers became `now`.
[[nodiscard]] constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t before,
                                                       std::uint16_t now) {
    // RFC 1624 §3, eqn. 3: HC' = ~(~HC + ~m + m').
    std::uint32_t sum = static_cast<std::uint16_t>(~checksum) + std::uint32_t{now} +
                        static_cast<std::uint16_t>(~before);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

}  // namespace overlab
