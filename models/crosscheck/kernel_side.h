// KernelSide (port): the half of a cross-check that is a real kernel: hosts whose tables overlab's
// logic fills, pods behind them, and probes: one real packet a time, whose fate is watched from
// outside. The other half is the simulated hosts and PacketWalk.
//
// One KernelSide serves many histories, one after the other; it runs where time is virtual, so that
// waiting for silence costs nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"
#include "models/ports/host_stack.h"
#include "models/ports/ike_daemon.h"

namespace overlab {

/// A switch and its subnet. Segments are joined by one router, which has the subnet's last usable
/// address on each of them.
struct CrossSegment {
    Ipv4Prefix subnet;
    std::uint32_t mtu = 1500;

    friend bool operator==(const CrossSegment&, const CrossSegment&) = default;
};

struct CrossHost {
    std::string name;
    std::size_t segment = 0;
    Ipv4Address address;  ///< on eth0, within the segment's subnet

    friend bool operator==(const CrossHost&, const CrossHost&) = default;
};

struct CrossLayout {
    std::vector<CrossSegment> segments;
    std::vector<CrossHost> hosts;

    friend bool operator==(const CrossLayout&, const CrossLayout&) = default;
};

/// Where probes come from and go to.
inline constexpr std::uint16_t probe_source_port = 40000, probe_port = 9000;

/// A UDP datagram from a pod.
struct ProbePacket {
    std::size_t host = 0;  ///< the sender's; the pod is the one that set_pod() gave it
    Ipv4Address destination;
    std::uint32_t size = 84;  ///< IPv4 total length, bytes; at least 36
    bool dont_fragment = true;
    std::uint8_t ttl = 64;
};

/// A packet as it appeared on a host's link to the underlay, outermost headers only. ARP, and what
/// does not carry the probe, is left out.
struct OuterPacket {
    Ipv4Address source, destination;
    std::uint8_t protocol = 0;           ///< 4 IPIP, 17 UDP, 50 ESP; 17 or 1 in clear
    std::uint16_t destination_port = 0;  ///< UDP
    std::uint32_t size = 0;              ///< IPv4 total length, bytes
    bool dont_fragment = false;
    std::uint8_t ttl = 0;
    std::uint32_t tag = 0;  ///< VXLAN: VNI; ESP: SPI; WireGuard: receiver index is left 0

    friend auto operator<=>(const OuterPacket&, const OuterPacket&) = default;
};

/// What became of a probe.
struct ProbeOutcome {
    enum class End : std::uint8_t {
        delivered,  ///< the datagram reached the destination pod
        icmp,       ///< the sender's pod was told
        silence     ///< neither, until nothing more could happen
    };
    End end = End::silence;
    /// A pod refuses by itself what is larger than its own MTU and must not be fragmented: type 3
    /// code 4 from its own address, with nothing in `outer`.
    std::uint8_t icmp_type = 0, icmp_code = 0;
    Ipv4Address icmp_from;
    std::uint32_t icmp_mtu = 0;  ///< type 3 code 4
    /// At the sender's host as they leave it, in order; first fragments count, later ones do not.
    std::vector<OuterPacket> outer;

    friend bool operator==(const ProbeOutcome&, const ProbeOutcome&) = default;
};
[[nodiscard]] std::string to_string(const ProbeOutcome& outcome);

class KernelSide {
   public:
    virtual ~KernelSide() = default;

    /// Hosts of `layout`, none with a row of ours, a pod or a learned neighbour. Stacks of before
    /// are gone. Cheap if the layout is the last one's. Errors: unsupported, unavailable.
    [[nodiscard]] virtual Result<void> reset(const CrossLayout& layout) = 0;

    /// Lives until the next reset(). `host` < layout.hosts.size().
    [[nodiscard]] virtual HostStack& stack(std::size_t host) = 0;

    /// The kernel's SAs for connections that the node asks for: no negotiation; both directions, at
    /// once, as fixed_sas() says. Lives until the next reset().
    [[nodiscard]] virtual IkeDaemon& ike(std::size_t host) = 0;

    /// What a container runtime sets up for a lease: the bridge cni0 with the subnet's first
    /// address, one pod with its second one, `mtu` on both. Again with another subnet: moves them.
    /// Errors: unavailable.
    [[nodiscard]] virtual Result<void> set_pod(std::size_t host, Ipv4Prefix subnet,
                                               std::uint32_t mtu) = 0;

    /// As an operator's hand on the host, past the node: what `ip` and `bridge` would do. Only
    /// rows that the node installs too. Errors: as HostStack::apply.
    [[nodiscard]] virtual Result<void> meddle(std::size_t host, const RowChange& change) = 0;

    /// Sends the probe and waits until its fate is known. Forgets what earlier probes taught the
    /// kernel (path MTUs, failed neighbours, ICMP rate limits), so that probes are independent.
    /// Errors: unavailable.
    [[nodiscard]] virtual Result<ProbeOutcome> probe(const ProbePacket& packet) = 0;
};

}  // namespace overlab
