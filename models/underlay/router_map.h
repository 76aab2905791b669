// RouterMap: layer-3 forwarding between segments, as after an interior gateway protocol with equal
// costs has converged. A router announces the prefix of every segment in which it has a port that
// is up; the cost of a way is the number of segments it crosses.
//
// The map is bipartite: routers on one side, on the other the layer-2 domains that are left when
// failed links are taken out, so that a route never crosses a cut segment. As with real routers, a
// segment cut in two stays announced from both sides and hosts on the far part are unreachable.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "models/underlay/graph.h"
#include "models/underlay/hop_graph.h"
#include "models/underlay/segments.h"

namespace overlab {

class RouterMap {
   public:
    RouterMap(const Underlay& underlay, const SegmentPlan& plan, const std::vector<bool>& link_up);

    /// See UnderlayGraph::routes. The cache makes it not re-entrant.
    [[nodiscard]] std::vector<UnderlayGraph::RouterHop> routes(NodeIndex at, SegmentId to) const;

   private:
    /// A router's interface that is up.
    struct RouterPort {
        Interface interface;
        std::size_t domain = 0;
    };

    [[nodiscard]] const std::vector<std::uint32_t>& distances_to(SegmentId to) const;

    std::vector<RouterPort> ports_;                            ///< ascending by (node, link)
    std::map<NodeIndex, std::vector<std::size_t>> of_router_;  ///< into ports_
    std::map<std::size_t, std::vector<std::size_t>>
        of_domain_;  ///< into ports_, ascending by router name
    std::map<SegmentId, std::vector<std::size_t>> domains_of_;  ///< with a router port that is up
    HopGraph graph_;  ///< vertex = node index, or node count + domain
    std::size_t node_count_ = 0;
    mutable std::map<SegmentId, std::vector<std::uint32_t>> distance_cache_;
};

}  // namespace overlab
