// Packet headers as values, byte-exact on the wire. decode() reads the front of a span and refuses
// what a receiver must refuse; encode() writes exactly `bytes` octets to the front of a span, which
// must have room (checked). What follows a header (options, payload, padding) is the caller's.
//
// Left out: 802.1Q tags, IPv6 headers, IPv4 options and TCP options beyond stepping over them.
// Checksums: IPv4's is computed and verified here; those of UDP, TCP and ICMP cover the payload
// too, so the headers only carry the field (checksum.h computes it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/base/error.h"
#include "models/net/address.h"

namespace overlab {

namespace ether_type {
inline constexpr std::uint16_t ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd;
}

/// IANA protocol numbers; also ESP's next header (`ipip`: a tunnelled IPv4 packet).
namespace ip_protocol {
inline constexpr std::uint8_t icmp = 1, ipip = 4, tcp = 6, udp = 17, esp = 50;
}

namespace udp_port {
inline constexpr std::uint16_t ike = 500;           ///< RFC 7296 §2
inline constexpr std::uint16_t ike_nat = 4500;      ///< IKE and ESP through NAT, RFC 3948
inline constexpr std::uint16_t flannel_udp = 8285;  ///< flannel's user-space proxy
inline constexpr std::uint16_t linux_vxlan = 8472;  ///< Linux's default, which flannel keeps
inline constexpr std::uint16_t iana_vxlan = 4789;   ///< RFC 7348 §8
}  // namespace udp_port

struct EthernetHeader {
    static constexpr std::size_t bytes = 14;
    MacAddress destination{}, source{};
    std::uint16_t ether_type = ether_type::ipv4;

    friend bool operator==(const EthernetHeader&, const EthernetHeader&) = default;
    [[nodiscard]] static Result<EthernetHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// ARP for IPv4 over Ethernet, RFC 826.
struct ArpPacket {
    static constexpr std::size_t bytes = 28;
    static constexpr std::uint16_t request = 1, reply = 2;
    std::uint16_t operation = request;
    MacAddress sender_mac{};
    Ipv4Address sender_ip{};
    MacAddress target_mac{};
    Ipv4Address target_ip{};

    friend bool operator==(const ArpPacket&, const ArpPacket&) = default;
    [[nodiscard]] static Result<ArpPacket> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// RFC 791 §3.1.
struct Ipv4Header {
    static constexpr std::size_t bytes = 20;
    std::uint8_t header_bytes =
        bytes;  ///< with options (20..60) when decoded; must be 20 to encode
    std::uint8_t dscp_ecn = 0;
    std::uint16_t total_length = bytes;  ///< header and payload, >= header_bytes
    std::uint16_t id = 0;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  ///< in bytes, a multiple of 8 up to 65528
    std::uint8_t ttl = 64;
    std::uint8_t protocol = 0;
    Ipv4Address source{}, destination{};

    friend bool operator==(const Ipv4Header&, const Ipv4Header&) = default;
    /// Refuses a wrong checksum, as ip_rcv() does. The payload may be cut short, as ICMP quotes
    /// are.
    [[nodiscard]] static Result<Ipv4Header> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

struct UdpHeader {
    static constexpr std::size_t bytes = 8;
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint16_t length = bytes;  ///< header and payload
    std::uint16_t checksum = 0;    ///< 0: none

    friend bool operator==(const UdpHeader&, const UdpHeader&) = default;
    [[nodiscard]] static Result<UdpHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// RFC 9293 §3.1: the fixed part.
struct TcpHeader {
    static constexpr std::size_t bytes = 20;
    static constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10,
                                  urg = 0x20, ece = 0x40, cwr = 0x80;
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint32_t sequence = 0, acknowledgement = 0;
    std::uint8_t header_bytes = bytes;  ///< with the options that follow: 20..60, a multiple of 4
    std::uint8_t flags = 0;
    std::uint16_t window = 0;
    std::uint16_t checksum = 0;
    std::uint16_t urgent_pointer = 0;

    friend bool operator==(const TcpHeader&, const TcpHeader&) = default;
    [[nodiscard]] std::size_t option_bytes() const { return header_bytes - bytes; }
    [[nodiscard]] static Result<TcpHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// ICMP for IPv4: the types a datapath sends and reacts to. The message's checksum covers what
/// follows too, so it is written last: write_icmp_checksum.
struct Icmpv4Header {
    static constexpr std::size_t bytes = 8;
    static constexpr std::uint8_t echo_reply = 0, destination_unreachable = 3, echo_request = 8,
                                  time_exceeded = 11;
    /// Codes of destination_unreachable.
    static constexpr std::uint8_t network = 0, host = 1, protocol = 2, port = 3,
                                  fragmentation_needed = 4;
    std::uint8_t type = echo_request;
    std::uint8_t code = 0;
    std::uint16_t checksum = 0;
    std::uint16_t identifier = 0;  ///< echo; else unused
    std::uint16_t sequence = 0;    ///< echo; the next hop's MTU in fragmentation_needed

    friend bool operator==(const Icmpv4Header&, const Icmpv4Header&) = default;
    /// RFC 1191 §4. Zero comes from routers older than that RFC.
    [[nodiscard]] std::uint16_t next_hop_mtu() const { return sequence; }
    [[nodiscard]] static Icmpv4Header too_big(std::uint16_t next_hop_mtu);
    [[nodiscard]] static Result<Icmpv4Header> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// Computes and stores the checksum of a whole ICMP message (at least its 8-byte header).
void write_icmp_checksum(std::span<std::uint8_t> message);

/// RFC 7348 §5.
struct VxlanHeader {
    static constexpr std::size_t bytes = 8;
    std::uint32_t vni = 0;  ///< 24 bits

    friend bool operator==(const VxlanHeader&, const VxlanHeader&) = default;
    /// Refuses a header without the I flag. Reserved bits are ignored, as the RFC asks of
    /// receivers.
    [[nodiscard]] static Result<VxlanHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

/// RFC 4303 §2. SPI 0 never appears on the wire (§2.1): on UDP port 4500 it marks IKE.
struct EspHeader {
    static constexpr std::size_t bytes = 8;
    std::uint32_t spi = 0;
    std::uint32_t sequence = 0;

    friend bool operator==(const EspHeader&, const EspHeader&) = default;
    [[nodiscard]] static Result<EspHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

inline constexpr std::size_t esp_iv_bytes = 8;  ///< AES-GCM's explicit IV, RFC 4106 §3.1
inline constexpr std::size_t esp_icv_bytes = 16;

/// What follows the encrypted packet: padding, pad length, next header, ICV (RFC 4303 §2.4, RFC
/// 4106 §6).
struct EspTrailer {
    std::uint8_t pad_length = 0;  ///< 0..3

    [[nodiscard]] constexpr std::size_t bytes() const { return pad_length + 2U + esp_icv_bytes; }
};

/// Padding makes packet, padding, pad length and next header together a multiple of four.
[[nodiscard]] constexpr EspTrailer esp_padding(std::size_t payload_bytes) {
    return {static_cast<std::uint8_t>((0 - (payload_bytes + 2)) & 3)};
}

[[nodiscard]] constexpr std::size_t esp_trailer_bytes(std::size_t inner_bytes) {
    return esp_padding(inner_bytes).bytes();
}

/// IKEv2, RFC 7296 §3.1.
struct IkeHeader {
    static constexpr std::size_t bytes = 28;
    static constexpr std::uint8_t ike_sa_init = 34, ike_auth = 35, create_child_sa = 36,
                                  informational = 37;
    static constexpr std::uint8_t flag_initiator = 0x08, flag_version = 0x10, flag_response = 0x20;
    std::uint64_t initiator_spi = 0, responder_spi = 0;
    std::uint8_t next_payload = 0;
    std::uint8_t version = 0x20;  ///< major 2, minor 0
    std::uint8_t exchange_type = ike_sa_init;
    std::uint8_t flags = 0;
    std::uint32_t message_id = 0;
    std::uint32_t length = bytes;  ///< header and payloads

    friend bool operator==(const IkeHeader&, const IkeHeader&) = default;
    /// Refuses another major version than 2.
    [[nodiscard]] static Result<IkeHeader> decode(std::span<const std::uint8_t> in);
    void encode(std::span<std::uint8_t> out) const;
};

}  // namespace overlab
