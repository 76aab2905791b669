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

struct Walk {
    Disposition disposition = Disposition::delivered;
    std::string at;  ///< host where it ended
    std::vector<WalkStep> steps;
};

/// One host as the walk sees it.
struct WalkHost {
    std::string name;
    Ipv4Address underlay_address;
    const ForwardingTables* tables = nullptr;
    std::vector<Ipv4Address> pods;
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

    /// From the pod that owns packet.source. CHECK: some host has that pod.
    [[nodiscard]] Walk walk(const WalkPacket& packet) const;

   private:
    std::vector<WalkHost> hosts_;
    std::map<Ipv4Address, std::size_t> host_of_pod_;
    std::map<Ipv4Address, std::size_t> host_of_address_;
    UnderlayPathFn underlay_;
};

}  // namespace overlab
