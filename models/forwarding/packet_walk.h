// PacketWalk: one packet's way through hosts' ForwardingTables, without time or traffic. It ends in
// exactly one disposition. Used by `trace`, `verify` and tests; the simulated host takes the same
// decisions from the same tables (a test compares them).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/forwarding/tables.h"
#include "models/net/address.h"
#include "models/net/wireguard_key.h"

namespace overlab {

enum class Disposition : std::uint8_t {
    delivered,
    no_route,              ///< ICMP net unreachable to the sender
    neighbour_unresolved,  ///< nobody answers for the next hop: ICMP host unreachable after a while
    fdb_miss,
    tunnel_peer_missing,  ///< udp proxy or WireGuard has no peer: ICMP unreachable
    sa_missing,           ///< policy matches, no SA yet
    mtu_exceeded,         ///< DF set: ICMP fragmentation needed to the sender
    ttl_expired,
    no_listener,           ///< reached a host where nothing takes it (no device, wrong VNI or port)
    unreachable_underlay,  ///< no path between the two hosts
    policy_mismatch,       ///< arrived in clear where a policy demands ESP, or the other way round
    loop,
};
[[nodiscard]] std::string_view to_string(Disposition disposition);

struct WalkPacket {
    Ipv4Address source, destination;
    std::uint32_t size = 84;  ///< IPv4 total length in bytes
    bool dont_fragment = true;
    std::uint8_t ttl = 64;
    std::uint64_t flow_hash = 0;
};

/// One thing that happened. `what` is a sentence for a person; the rest is for machines.
struct WalkStep {
    std::string host;
    std::string stage;  ///< pod, bridge, route, neighbour, fdb, tunnel, policy, sa, encap,
                        ///< underlay, decap, deliver
    std::string what;
    std::string row;         ///< the row that decided, in rows.h text form; empty if none
    std::uint32_t size = 0;  ///< bytes at this step, outermost IP header included
    std::uint32_t mtu = 0;   ///< of the link about to be used; 0 where none is
};

/// The outermost IPv4 header of a packet as it leaves a host's external interface.
struct WalkOuter {
    Ipv4Address source, destination;
    std::uint8_t protocol = 0;           ///< 4 IPIP, 17 UDP, 50 ESP; of a bare packet its own, 17
    std::uint16_t destination_port = 0;  ///< UDP tunnels; 0 for a bare packet
    std::uint32_t size = 0;  ///< IPv4 total length, bytes; of a cut packet its first piece
    bool dont_fragment = false;
    std::uint8_t ttl = 0;
    std::uint32_t tag = 0;  ///< VXLAN: VNI; ESP: SPI
    bool bare = false;      ///< not in a tunnel
};

/// An ICMP error that the host where the walk ends owes the sender.
struct WalkIcmp {
    enum class Teller : std::uint8_t {
        host,  ///< speaks with the address of its interface towards the sender
        proxy  ///< the udp backend's: speaks in the name of the destination
    };
    Teller teller = Teller::host;
    std::uint8_t type = 0, code = 0;
    std::uint32_t mtu = 0;  ///< type 3 code 4
};

struct Walk {
    Disposition disposition = Disposition::delivered;
    std::string at;  ///< host where it ended
    std::vector<WalkStep> steps;

    // For machines that compare: what `steps` says in words.
    std::size_t at_host = 0;       ///< index of `at`
    std::vector<WalkOuter> outer;  ///< what the first host put on its link; at most one
    std::optional<WalkIcmp> icmp;  ///< none: the packet vanishes without a word
    bool cut_inside = false;       ///< the packet itself was fragmented; the walk follows a piece
    bool first_is_lost = false;    ///< the sender first has to learn the path's MTU from it
};

/// One host as the walk sees it.
struct WalkHost {
    std::string name;
    Ipv4Address underlay_address;
    const ForwardingTables* tables = nullptr;
    std::vector<Ipv4Address> pods;
    /// The public half of its own WireGuard key. Where both ends of a tunnel have one, a walk knows
    /// whether a handshake between them can succeed; else it takes that for granted.
    std::optional<WireguardKey> wireguard_key = std::nullopt;
};

/// A way through the underlay: names of switches and routers in order, and the smallest MTU met.
struct UnderlayPath {
    std::vector<std::string> via;
    std::uint32_t mtu = 1500;
    unsigned router_hops = 0;  ///< routers passed: each takes one off the TTL
};
/// Answers how `from` reaches `to` (host names), or nullopt. `next_hop` is the address the packet
/// is handed to on the sender's segment; it must answer ARP there.
using UnderlayPathFn = std::function<std::optional<UnderlayPath>(
    const std::string& from, const std::string& to, std::uint64_t flow_hash)>;

class PacketWalk {
   public:
    PacketWalk(std::vector<WalkHost> hosts, UnderlayPathFn underlay);

    /// See WalkHost; for those who get a walk made by others.
    void set_wireguard_key(std::size_t host, const WireguardKey& key) {
        hosts_[host].wireguard_key = key;
    }

    /// From the pod that owns packet.source. CHECK: some host has that pod.
    [[nodiscard]] Walk walk(const WalkPacket& packet) const;
    /// The same from a host of choice: while a lease changes hands two may have the pod.
    [[nodiscard]] Walk walk_from_pod(std::size_t host, const WalkPacket& packet) const;
    /// A packet that the host made itself.
    [[nodiscard]] Walk walk_from_host(std::size_t host, const WalkPacket& packet) const;

   private:
    std::vector<WalkHost> hosts_;
    std::map<Ipv4Address, std::size_t> host_of_pod_;
    std::map<Ipv4Address, std::size_t> host_of_address_;
    UnderlayPathFn underlay_;
};

}  // namespace overlab
