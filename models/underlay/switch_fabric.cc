#include "models/underlay/switch_fabric.h"

#include <algorithm>
#include <set>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

std::vector<std::size_t> number_switches(const Underlay& underlay, std::size_t not_a_switch) {
    std::vector<std::size_t> ordinal(underlay.nodes.size(), not_a_switch);
    std::size_t next = 0;
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind == UnderlayNode::Kind::switch_) ordinal[node] = next++;
    }
    return ordinal;
}

HopGraph switch_graph(const Underlay& underlay, const std::vector<std::size_t>& ordinal,
                      std::size_t not_a_switch, const std::vector<bool>& link_up) {
    std::vector<std::pair<std::size_t, std::size_t>> edges;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        const std::size_t a = ordinal[underlay.links[link].a], b = ordinal[underlay.links[link].b];
        if (link_up[link] && a != not_a_switch && b != not_a_switch) edges.emplace_back(a, b);
    }
    const auto others = std::ranges::count(ordinal, not_a_switch);
    return {ordinal.size() - static_cast<std::size_t>(others), edges};
}

}  // namespace

SwitchFabric::SwitchFabric(const Underlay& underlay, const std::vector<std::vector<Port>>& ports,
                           const std::vector<bool>& link_up)
    : ordinal_(number_switches(underlay, not_a_switch)),
      link_up_(link_up),
      graph_(switch_graph(underlay, ordinal_, not_a_switch, link_up)) {
    for (const UnderlayLink& link : underlay.links) ends_.push_back({link.a, link.b});
    for (NodeIndex node = 0; node < ordinal_.size(); ++node) {
        if (ordinal_[node] == not_a_switch) continue;
        ports_.emplace_back();
        for (const Port& port : ports[node]) {
            if (link_up[port.link]) ports_.back().push_back({port, ordinal_[port.peer]});
        }
    }
    span_trees();
}

const std::vector<std::uint32_t>& SwitchFabric::distances_to(
    const std::vector<std::size_t>& switches) const {
    const auto it = distance_cache_.find(switches);
    if (it != distance_cache_.end()) return it->second;
    return distance_cache_.emplace(switches, graph_.distances(switches)).first->second;
}

std::vector<LinkId> SwitchFabric::next_links(NodeIndex at, const std::vector<LinkId>& exits) const {
    const std::size_t here = ordinal_.at(at);
    CHECK(here != not_a_switch);
    std::vector<LinkId> own;
    std::vector<std::size_t> attachments;
    for (const LinkId link : exits) {
        if (!link_up_[link]) continue;
        for (const NodeIndex end : ends_[link]) {
            if (end == at) own.push_back(link);
            if (ordinal_[end] != not_a_switch) attachments.push_back(ordinal_[end]);
        }
    }
    if (!own.empty()) return own;
    if (attachments.empty()) return {};
    std::ranges::sort(attachments);
    attachments.erase(std::unique(attachments.begin(), attachments.end()), attachments.end());
    const std::vector<std::uint32_t>& distance = distances_to(attachments);
    std::vector<LinkId> links;
    if (distance[here] == HopGraph::unreachable) return links;
    for (const SwitchPort& port : ports_[here]) {
        if (port.peer_ordinal != not_a_switch && distance[port.peer_ordinal] + 1 == distance[here])
            links.push_back(port.port.link);
    }
    return links;
}

std::vector<LinkId> SwitchFabric::flood_links(NodeIndex at) const {
    const std::size_t here = ordinal_.at(at);
    CHECK(here != not_a_switch);
    return flood_[here];
}

void SwitchFabric::span_trees() {
    const std::vector<std::size_t> component = graph_.components();
    std::set<std::size_t> seen;
    std::vector<std::size_t>
        roots;  // ordinals follow names, so the first of each component is its root
    for (std::size_t i = 0; i < component.size(); ++i) {
        if (seen.insert(component[i]).second) roots.push_back(i);
    }
    const std::vector<std::uint32_t> depth = graph_.distances(roots);
    std::vector<bool> in_tree(link_up_.size(), false);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const auto parent = std::ranges::find_if(ports_[i], [&](const SwitchPort& p) {
            return p.peer_ordinal != not_a_switch && depth[p.peer_ordinal] + 1 == depth[i];
        });
        if (parent != ports_[i].end()) in_tree[parent->port.link] = true;
        for (const SwitchPort& p : ports_[i]) {
            if (p.peer_ordinal == not_a_switch) in_tree[p.port.link] = true;
        }
    }
    for (const auto& ports : ports_) {
        flood_.emplace_back();
        for (const SwitchPort& p : ports) {
            if (in_tree[p.port.link]) flood_.back().push_back(p.port.link);
        }
    }
}

}  // namespace overlab
