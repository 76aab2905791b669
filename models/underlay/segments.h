// Segments: which hosts, switches and router ports share a layer-2 domain.
//
// A switch or host is one vertex of the layer-2 graph, a router is one vertex *per link end*,
// because it joins segments and does not bridge them:
//
//   h1 --- switch --- [r1 port | r1 port] --- [r2 port | r2 port] --- h2
//   \____ segment ________/        \__ segment __/        \_ segment _/
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <vector>

#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"

namespace overlab {

inline constexpr std::size_t no_segment = std::numeric_limits<std::size_t>::max();

/// Layer-2 domains over the links that are up, numbered in no particular order.
struct Layer2Domains {
    std::vector<std::size_t> of_node;                     ///< meaningless for routers
    std::vector<std::array<std::size_t, 2>> of_link_end;  ///< [link][0] is end a, [1] is end b
};
[[nodiscard]] Layer2Domains layer2_domains(const Underlay& underlay,
                                           const std::vector<bool>& link_up);

/// Segments of the whole topology, failures disregarded: addresses must not change when a link
/// fails.
struct SegmentPlan {
    std::vector<Segment> segments;  ///< ordered by their members' names; prefixes not yet set
    std::vector<std::size_t>
        of_node;  ///< hosts and switches; no_segment for routers and lone switches
    std::vector<Interface> interfaces;  ///< ascending by (node, link); addresses not yet set
};
[[nodiscard]] SegmentPlan plan_segments(const Underlay& underlay);

}  // namespace overlab
