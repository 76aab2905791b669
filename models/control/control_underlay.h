// ControlUnderlay: the underlay as the control world sees it: who reaches whom, and how large a
// packet may be on the way. No packet moves; a way is there or it is not.
//
// A host that is off or stands still reaches nobody; a partition and a link that is down cut, a
// link's MTU narrows. Loss, delay and rate have no meaning here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/backends/backend.h"
#include "models/base/error.h"
#include "models/forwarding/packet_walk.h"
#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"

namespace overlab {

class ControlUnderlay {
   public:
    /// `underlay` must outlive it. Errors: those of UnderlayGraph.
    [[nodiscard]] static Result<ControlUnderlay> build(const Underlay& underlay);

    [[nodiscard]] Result<void> set_link_up(LinkId link, bool up);
    void set_link_mtu(LinkId link, std::optional<std::uint32_t> mtu);
    /// As FaultTarget::set_groups.
    void set_groups(const std::vector<std::vector<std::size_t>>& groups);
    /// Off, or standing still.
    void set_answers(NodeIndex host, bool answers) { answers_[host] = answers; }

    [[nodiscard]] bool answers(NodeIndex host) const { return answers_[host]; }
    /// A packet from one host's interface gets to the other's, and one back. Hosts only.
    [[nodiscard]] bool reaches(NodeIndex a, NodeIndex b) const;
    [[nodiscard]] std::optional<UnderlayPath> path(NodeIndex from, NodeIndex to,
                                                   std::uint64_t flow_hash) const;
    [[nodiscard]] Reach reach(NodeIndex from, Ipv4Address address) const;
    [[nodiscard]] std::optional<NodeIndex> index_of(const std::string& name) const;
    [[nodiscard]] std::uint32_t link_mtu(LinkId link) const { return mtus_[link]; }
    /// Of the whole topology: addresses and segments, whatever is down.
    [[nodiscard]] const UnderlayGraph& topology() const { return topology_; }
    [[nodiscard]] const Segment& segment_of(NodeIndex host) const;

   private:
    ControlUnderlay(const Underlay& underlay, UnderlayGraph graph);
    [[nodiscard]] bool separated(NodeIndex a, NodeIndex b) const;
    [[nodiscard]] std::uint32_t hop_mtu(NodeIndex a, NodeIndex b) const;

    const Underlay* underlay_;
    UnderlayGraph topology_;
    UnderlayGraph graph_;  ///< without the links that are down
    std::vector<bool> link_up_;
    std::vector<std::uint32_t> mtus_;
    std::vector<std::size_t> group_;  ///< by node; 0: in no group
    std::vector<bool> answers_;       ///< by node
};

}  // namespace overlab
