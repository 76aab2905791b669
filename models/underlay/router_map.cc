#include "models/underlay/router_map.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/base/check.h"

namespace overlab {

RouterMap::RouterMap(const Underlay& underlay, const SegmentPlan& plan,
                     const std::vector<bool>& link_up)
    : graph_(0, {}), node_count_(underlay.nodes.size()) {
    const Layer2Domains domains = layer2_domains(underlay, link_up);
    std::vector<std::pair<std::size_t, std::size_t>> edges;
    std::map<std::size_t, std::size_t> dense;  // domains with a router, renumbered from 0
    for (const Interface& interface : plan.interfaces) {
        if (underlay.nodes[interface.node].kind != UnderlayNode::Kind::router) continue;
        if (!link_up[interface.link]) continue;
        const std::size_t end = underlay.links[interface.link].a == interface.node ? 0 : 1;
        const std::size_t domain =
            dense.try_emplace(domains.of_link_end[interface.link][end], dense.size()).first->second;
        of_router_[interface.node].push_back(ports_.size());
        of_domain_[domain].push_back(ports_.size());
        auto& of_segment = domains_of_[interface.segment];
        if (std::ranges::find(of_segment, domain) == of_segment.end()) of_segment.push_back(domain);
        ports_.push_back({interface, domain});
        edges.emplace_back(interface.node, node_count_ + domain);
    }
    graph_ = HopGraph(node_count_ + dense.size(), edges);
}

const std::vector<std::uint32_t>& RouterMap::distances_to(SegmentId to) const {
    const auto it = distance_cache_.find(to);
    if (it != distance_cache_.end()) return it->second;
    std::vector<std::size_t> sources;
    const auto domains = domains_of_.find(to);
    if (domains != domains_of_.end()) {
        for (const std::size_t domain : domains->second) sources.push_back(node_count_ + domain);
    }
    return distance_cache_.emplace(to, graph_.distances(sources)).first->second;
}

std::vector<UnderlayGraph::RouterHop> RouterMap::routes(NodeIndex at, SegmentId to) const {
    const auto own = of_router_.find(at);
    if (own == of_router_.end()) return {};
    const std::vector<std::uint32_t>& distance = distances_to(to);
    if (distance[at] == HopGraph::unreachable) return {};
    if (distance[at] == 1) {
        std::vector<UnderlayGraph::RouterHop> on_link;
        for (const std::size_t i : own->second) {
            if (ports_[i].interface.segment == to)
                on_link.push_back({ports_[i].interface.link, {}});
        }
        CHECK(!on_link.empty());
        return on_link;
    }
    std::vector<std::tuple<NodeIndex, Ipv4Address, LinkId>> hops;  // node order is name order
    for (const std::size_t i : own->second) {
        for (const std::size_t peer : of_domain_.at(ports_[i].domain)) {
            const Interface& next = ports_[peer].interface;
            if (distance[next.node] + 2 == distance[at])
                hops.emplace_back(next.node, next.address, ports_[i].interface.link);
        }
    }
    std::ranges::sort(hops);
    std::vector<UnderlayGraph::RouterHop> routes;
    for (const auto& [node, gateway, link] : hops) routes.push_back({link, gateway});
    return routes;
}

}  // namespace overlab
