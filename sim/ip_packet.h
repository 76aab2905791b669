// IPv4 work on frames that hosts and routers share: writing headers, ICMP errors, fragments and
// their reassembly. data() of every frame here is at its (outermost) IPv4 header.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "models/net/address.h"
#include "sim/frame.h"

namespace overlab::sim {

enum class IpProtocol : std::uint8_t { icmp = 1, ipip = 4, tcp = 6, udp = 17, esp = 50 };

struct IpFields {
    Ipv4Address source, destination;
    IpProtocol protocol = IpProtocol::udp;
    std::uint16_t id = 0;
    std::uint8_t ttl = 64;
    std::uint8_t dscp_ecn = 0;
    bool dont_fragment = false;
};

/// Prepends a 20-byte header; the total length is that of the first real packet.
void push_ipv4(Frame& frame, const IpFields& fields);

[[nodiscard]] Ipv4Address ip_source(const Frame& frame);
[[nodiscard]] Ipv4Address ip_destination(const Frame& frame);
[[nodiscard]] std::uint8_t ip_protocol(const Frame& frame);
[[nodiscard]] bool ip_dont_fragment(const Frame& frame);
[[nodiscard]] bool ip_is_fragment(const Frame& frame);  ///< MF set or offset not 0

/// Why an ICMP error is sent.
enum class IcmpReason : std::uint8_t {
    net_unreachable,
    host_unreachable,
    port_unreachable,
    fragmentation_needed,
    ttl_expired,
};

/// The error about `cause` (RFC 792: its IP header and 8 bytes more), from `reporter`. Null where
/// RFC 1122 §3.2.2 forbids one: about an ICMP error, about a later fragment. `next_hop_mtu` (RFC
/// 1191) is for fragmentation_needed.
[[nodiscard]] FramePtr make_icmp_error(const Frame& cause, IcmpReason reason, Ipv4Address reporter,
                                       std::uint32_t next_hop_mtu = 0);

/// One single packet (segments == 1, DF clear) cut into pieces of at most `mtu` bytes, in order
/// (RFC 791 §3.2). Transport checksums are completed first, as nobody can afterwards.
[[nodiscard]] std::vector<FramePtr> fragment(FramePtr packet, std::uint32_t mtu);

/// An aggregate as single packets, in order.
[[nodiscard]] std::vector<FramePtr> single_packets(FramePtr frame);

/// Fills in the inner transport checksum and, for VXLAN and the UDP backend, the outer one. What is
/// a fragment at a layer keeps that layer's.
void complete_checksums(Frame& packet);

/// Collects fragments of one host's incoming packets.
class Reassembler {
   public:
    /// The whole packet when `piece` was the last one missing, else null. Sets that stay incomplete
    /// for 30 s (Linux ipfrag_time) are forgotten.
    [[nodiscard]] FramePtr add(FramePtr piece, std::int64_t now_ns);

   private:
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::uint16_t, std::uint8_t>;
    struct Parts {
        std::int64_t first_ns = 0;
        std::map<std::uint32_t, FramePtr> by_offset;  ///< byte offset -> piece
    };
    static constexpr std::int64_t timeout_ns = 30'000'000'000;
    static constexpr std::size_t max_packets = 1024;

    [[nodiscard]] static bool complete(const Parts& parts);
    [[nodiscard]] static FramePtr join(Parts& parts);
    std::map<Key, Parts> pending_;
};

}  // namespace overlab::sim
