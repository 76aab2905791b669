#include "sim/nic_guard.h"

#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::sim {
namespace {

constexpr std::size_t ethernet_bytes = EthernetHeader::bytes;
constexpr std::size_t arp_sender_ip = 14;  // RFC 826: hardware, protocol, lengths, operation, MAC
constexpr std::size_t ip_bytes = Ipv4Header::bytes;

bool is_arp(const Frame& frame) { return load_be16(frame.data() + 12) == ether_type::arp; }

}  // namespace

std::optional<std::uint32_t> NicGuard::side_of_sender(const Frame& frame) const {
    if (const std::uint32_t* side = map_->side_by_mac.find(load_be48(frame.data() + 6))) {
        return *side;
    }
    const std::size_t at = is_arp(frame) ? arp_sender_ip : ipv4_offset::source;
    const std::uint32_t address = load_be32(frame.data() + ethernet_bytes + at);
    const std::uint32_t* side = map_->side_by_address.find(address);
    return side == nullptr ? std::nullopt : std::optional(*side);
}

bool NicGuard::is_store_packet(const std::uint8_t* ip, bool coming) const {
    if (ip[9] != static_cast<std::uint8_t>(Transport::tcp)) return false;
    const std::size_t address = coming ? ipv4_offset::source : ipv4_offset::destination;
    const std::size_t port = ip_bytes + (coming ? 0 : 2);
    return load_be32(ip + address) == store_.address.bits && load_be16(ip + port) == store_.port;
}

bool NicGuard::lets_in(const Frame& frame) const {
    if (map_->in_force) {
        const auto side = side_of_sender(frame);
        if (side && *side != side_) return false;
    }
    return store_reachable_ || is_arp(frame) ||
           !is_store_packet(frame.data() + ethernet_bytes, true);
}

bool NicGuard::lets_out(const Frame& packet) const {
    return store_reachable_ || !is_store_packet(packet.data(), false);
}

}  // namespace overlab::sim
