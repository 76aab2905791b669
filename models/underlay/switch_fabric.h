// SwitchFabric: layer-2 forwarding inside segments. Unicast takes shortest paths in hops, all equal
// ones; broadcast takes one spanning tree a segment (breadth first from the switch first by name,
// each switch under its lowest-named neighbour, as IEEE 802.1D's lowest bridge identifier). Loops
// are thus harmless.
//
// Distances are kept per destination *switch* and computed when first asked for: all hosts of a
// rack share one table, so 5,000 hosts on 125 racks cost 125 small tables, not 25 million entries.
// The cache makes const members not re-entrant.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "models/underlay/graph.h"
#include "models/underlay/hop_graph.h"

namespace overlab {

class SwitchFabric {
   public:
    /// `ports` are all ports of all nodes, ascending by peer name; links not up take no part.
    SwitchFabric(const Underlay& underlay, const std::vector<std::vector<Port>>& ports,
                 const std::vector<bool>& link_up);

    /// See UnderlayGraph::next_links. `exits`: the destination's own links into this segment.
    [[nodiscard]] std::vector<LinkId> next_links(NodeIndex at,
                                                 const std::vector<LinkId>& exits) const;
    [[nodiscard]] std::vector<LinkId> flood_links(NodeIndex at) const;

   private:
    struct SwitchPort {
        Port port;
        std::size_t peer_ordinal;  ///< not_a_switch where the peer is a host or a router
    };
    static constexpr std::size_t not_a_switch = static_cast<std::size_t>(-1);

    [[nodiscard]] const std::vector<std::uint32_t>& distances_to(
        const std::vector<std::size_t>& switches) const;
    void span_trees();

    std::vector<std::size_t> ordinal_;            ///< by node; not_a_switch for others
    std::vector<std::vector<SwitchPort>> ports_;  ///< by ordinal, up links only
    std::vector<std::vector<LinkId>> flood_;      ///< by ordinal
    std::vector<std::array<NodeIndex, 2>> ends_;  ///< by link
    std::vector<bool> link_up_;
    HopGraph graph_;  ///< switches only
    mutable std::map<std::vector<std::size_t>, std::vector<std::uint32_t>> distance_cache_;
};

}  // namespace overlab
