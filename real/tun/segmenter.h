// Takes a TCP or UDP super-packet from a TUN device apart into the packets it stands for, exactly
// as the kernel's own software segmentation would (tcp_gso_segment(), __udp_gso_segment(),
// inet_gso_segment()): IP ids count up from the first; FIN and PSH stay with the last packet, CWR
// with the first; every checksum is right.
//
// In place: packet i's payload moves up by i header lengths, from the last to the first, into room
// behind the packet. One buffer then holds packets of one length one after another, which is just
// what UDP GSO wants to send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "real/tun/vnet_header.h"

namespace overlab::real {

struct SplitPlan {
    std::uint8_t protocol = 0;
    std::size_t ip_header_bytes = 0;
    std::size_t header_bytes = 0;   ///< IP and transport header, options included
    std::size_t payload_bytes = 0;  ///< of the super-packet; not 0
    std::size_t chunk_bytes = 0;    ///< payload of all packets but the last
    std::size_t packets = 0;

    /// All packets but the last are this long.
    [[nodiscard]] std::size_t packet_bytes() const { return header_bytes + chunk_bytes; }
    [[nodiscard]] std::size_t last_packet_bytes() const {
        return header_bytes + payload_bytes - (packets - 1) * chunk_bytes;
    }
    [[nodiscard]] std::size_t all_bytes() const { return packets * header_bytes + payload_bytes; }
};

/// Empty for a super-packet that is not one: another kind than TCPv4 or UDPv4, a fragment, lengths
/// that do not fit each other, no payload.
[[nodiscard]] std::optional<SplitPlan> plan_split(const VnetHeader& vnet,
                                                  std::span<const std::uint8_t> packet);

/// `room` begins with the super-packet and has at least plan.all_bytes().
void split_in_place(const SplitPlan& plan, std::span<std::uint8_t> room);

/// Computes the checksum that the kernel left to us (skb_checksum_help()). False if the header
/// points outside of the packet.
[[nodiscard]] bool complete_checksum(const VnetHeader& vnet, std::span<std::uint8_t> packet);

}  // namespace overlab::real
