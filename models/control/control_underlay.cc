#include "models/control/control_underlay.h"

#include <algorithm>

#include "models/base/check.h"

namespace overlab {

Result<ControlUnderlay> ControlUnderlay::build(const Underlay& underlay) {
    OVERLAB_TRY(UnderlayGraph graph, UnderlayGraph::build(underlay));
    return ControlUnderlay(underlay, std::move(graph));
}

ControlUnderlay::ControlUnderlay(const Underlay& underlay, UnderlayGraph graph)
    : underlay_(&underlay),
      topology_(graph),
      graph_(std::move(graph)),
      link_up_(underlay.links.size(), true),
      group_(underlay.nodes.size(), 0),
      answers_(underlay.nodes.size(), true) {
    for (const UnderlayLink& link : underlay.links) mtus_.push_back(link.mtu);
}

Result<void> ControlUnderlay::set_link_up(LinkId link, bool up) {
    CHECK(link < link_up_.size());
    if (link_up_[link] == up) return {};
    link_up_[link] = up;
    std::vector<LinkId> down;
    for (LinkId id = 0; id < link_up_.size(); ++id) {
        if (!link_up_[id]) down.push_back(id);
    }
    if (down.empty()) {
        graph_ = topology_;
        return {};
    }
    OVERLAB_TRY(graph_, UnderlayGraph::build(*underlay_, down));
    return {};
}

void ControlUnderlay::set_link_mtu(LinkId link, std::optional<std::uint32_t> mtu) {
    CHECK(link < mtus_.size());
    mtus_[link] = mtu.value_or(underlay_->links[link].mtu);
}

void ControlUnderlay::set_groups(const std::vector<std::vector<std::size_t>>& groups) {
    std::ranges::fill(group_, 0);
    for (std::size_t group = 0; group < groups.size(); ++group) {
        for (const std::size_t host : groups[group]) group_[host] = group + 1;
    }
}

bool ControlUnderlay::separated(NodeIndex a, NodeIndex b) const {
    return !answers_[a] || !answers_[b] || group_[a] != group_[b];
}

bool ControlUnderlay::reaches(NodeIndex a, NodeIndex b) const {
    if (separated(a, b)) return false;
    if (a == b) return true;
    return graph_.path(a, b, 0).has_value() && graph_.path(b, a, 0).has_value();
}

/// The smallest MTU between two neighbours: parallel links are alternatives, so the best of them.
std::uint32_t ControlUnderlay::hop_mtu(NodeIndex a, NodeIndex b) const {
    std::uint32_t mtu = 0;
    for (const Port& port : graph_.ports(a)) {
        if (port.peer == b) mtu = std::max(mtu, mtus_[port.link]);
    }
    return mtu;
}

std::optional<UnderlayPath> ControlUnderlay::path(NodeIndex from, NodeIndex to,
                                                  std::uint64_t flow_hash) const {
    if (separated(from, to)) return std::nullopt;
    const auto nodes = graph_.path(from, to, flow_hash);
    if (!nodes) return std::nullopt;
    UnderlayPath path{.via = {}, .mtu = ~std::uint32_t{0}};
    for (std::size_t i = 0; i + 1 < nodes->size(); ++i) {
        path.mtu = std::min(path.mtu, hop_mtu((*nodes)[i], (*nodes)[i + 1]));
        if (i == 0) continue;
        const UnderlayNode& node = underlay_->nodes[(*nodes)[i]];
        path.via.push_back(node.name);
        if (node.kind == UnderlayNode::Kind::router) ++path.router_hops;
    }
    return path;
}

/// As `ip route get` on a host that has its segment's prefix and, where there is one, a gateway.
Reach ControlUnderlay::reach(NodeIndex from, Ipv4Address address) const {
    return segment_of(from).prefix.contains(address) ? Reach::on_link : Reach::routed;
}

std::optional<NodeIndex> ControlUnderlay::index_of(const std::string& name) const {
    const auto found = std::ranges::lower_bound(underlay_->nodes, name, {}, &UnderlayNode::name);
    if (found == underlay_->nodes.end() || found->name != name) return std::nullopt;
    return static_cast<NodeIndex>(found - underlay_->nodes.begin());
}

const Segment& ControlUnderlay::segment_of(NodeIndex host) const {
    return topology_.segments()[topology_.host_interface(host).segment];
}

}  // namespace overlab
