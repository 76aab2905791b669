// The header before each packet of a TUN device with IFF_VNET_HDR: virtio's struct virtio_net_hdr
// (virtio 1.2, 5.1.6), in the machine's byte order. Tells which checksum is still to be computed
// and whether the packet is a super-packet: one that stands for many of `gso_size` payload bytes.
#pragma once

#include <cstdint>

namespace overlab::real {

struct VnetHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_bytes = 0;     ///< of all headers; a hint, never relied on
    std::uint16_t gso_size = 0;         ///< payload bytes of all packets but the last
    std::uint16_t checksum_start = 0;   ///< from the packet's first byte
    std::uint16_t checksum_offset = 0;  ///< of the field, from checksum_start

    friend bool operator==(const VnetHeader&, const VnetHeader&) = default;
};
static_assert(sizeof(VnetHeader) == 10);

/// Our own names, because the kernel headers of Debian 12 do not have the last of these.
namespace vnet {
inline constexpr std::uint8_t needs_checksum = 1;  ///< flag: field holds the pseudo-header's sum
inline constexpr std::uint8_t data_valid = 2;      ///< flag: the checksum was found right
inline constexpr std::uint8_t gso_none = 0, gso_tcpv4 = 1, gso_udp_l4 = 5;
inline constexpr std::uint8_t gso_ecn = 0x80;  ///< beside gso_tcpv4: CWR is on the first packet
}  // namespace vnet

}  // namespace overlab::real
