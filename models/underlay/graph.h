// The underlay as a graph (Boost.Graph, vecS): segments, addresses, equal-cost paths in an order
// that does not depend on the file (by node name), connectivity under failures.
//
// A *segment* is a maximal set of hosts, switches and router ports joined by layer-2 links.
// Switches forward inside a segment along shortest paths (as a fabric with a control plane does:
// SPB, EVPN); routers join segments and know every segment (as after an IGP has converged).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/net/address.h"
#include "models/scenario/scenario.h"

namespace overlab {

using NodeIndex = std::size_t;
using LinkId = std::size_t;
using SegmentId = std::size_t;

struct Port {  ///< one end of a link
    LinkId link = 0;
    NodeIndex peer = 0;
};

struct Segment {
    Ipv4Prefix prefix;
    std::vector<NodeIndex> hosts, routers, switches;  ///< ascending
};

/// An interface: a host has exactly one, a router one per link end.
struct Interface {
    NodeIndex node = 0;
    LinkId link = 0;
    SegmentId segment = 0;
    Ipv4Address address;
    MacAddress mac;
};

/// Immutable once built. `down` links take no part in any path, but ports, segments and addresses
/// are those of the whole topology: a failure renumbers nothing. Path queries fill caches: one
/// thread at a time.
class UnderlayGraph {
   public:
    /// Errors (invalid_argument): a host with other than one link, a segment larger than the pool,
    /// an address given twice or outside its segment.
    [[nodiscard]] static Result<UnderlayGraph> build(const Underlay& underlay,
                                                     const std::vector<LinkId>& down = {});

    [[nodiscard]] const std::vector<Port>& ports(NodeIndex node) const;  ///< ascending by peer name
    [[nodiscard]] const std::vector<Segment>& segments() const;
    [[nodiscard]] const std::vector<Interface>& interfaces() const;  ///< ascending by (node, link)
    [[nodiscard]] const Interface* interface_of(NodeIndex node, LinkId link) const;
    [[nodiscard]] const Interface& host_interface(NodeIndex host) const;
    [[nodiscard]] std::optional<Ipv4Address> gateway_of(
        NodeIndex host) const;  ///< lowest router address on the segment

    /// Layer 2: at switch `at`, the links that lie on a shortest path to interface owner `to` (a
    /// host or router in the segment). Ascending by peer name; empty if unreachable.
    [[nodiscard]] std::vector<LinkId> next_links(NodeIndex at, NodeIndex to) const;
    /// Layer 2: the switch's links on the segment's spanning tree (broadcast).
    [[nodiscard]] std::vector<LinkId> flood_links(NodeIndex at) const;

    struct RouterHop {
        LinkId link = 0;      ///< leave through this port
        Ipv4Address gateway;  ///< next router's address; unspecified: destination is on-link
    };
    /// The salt that `node` mixes into ecmp_choice: from its name, so that other nodes do not move
    /// it.
    [[nodiscard]] std::uint64_t ecmp_salt(NodeIndex node) const;

    /// Layer 3: at router `at`, equal-cost next hops towards a segment. Ascending by (peer name,
    /// address).
    [[nodiscard]] std::vector<RouterHop> routes(NodeIndex at, SegmentId to) const;

    /// True if links that are up join the two, whatever forwarding makes of them.
    [[nodiscard]] bool connected(NodeIndex a, NodeIndex b) const;
    /// Node indexes from a to b inclusive, the equal-cost choice made by flow_hash as the sim makes
    /// it. a and b are hosts. None where forwarding fails: cut off, no gateway, the gateway behind
    /// a cut.
    [[nodiscard]] std::optional<std::vector<NodeIndex>> path(NodeIndex a, NodeIndex b,
                                                             std::uint64_t flow_hash) const;

   private:
    struct Impl;
    std::shared_ptr<const Impl> impl_;
};

/// The one ECMP rule, used by switches, routers and paths: index into `count` equal-cost choices.
/// `salt` differs per node so that hops do not polarise.
[[nodiscard]] std::size_t ecmp_choice(std::uint64_t flow_hash, std::uint64_t salt,
                                      std::size_t count);

}  // namespace overlab
