#include "models/underlay/segments.h"

#include <algorithm>
#include <map>
#include <utility>

#include "models/base/check.h"
#include "models/underlay/hop_graph.h"

namespace overlab {
namespace {

bool is_router(const Underlay& underlay, NodeIndex node) {
    return underlay.nodes[node].kind == UnderlayNode::Kind::router;
}

/// The vertex that end `end` of a link is in the layer-2 graph.
std::size_t end_vertex(const Underlay& underlay, LinkId link, std::size_t end) {
    const NodeIndex node = end == 0 ? underlay.links[link].a : underlay.links[link].b;
    return is_router(underlay, node) ? underlay.nodes.size() + 2 * link + end : node;
}

/// 02:nn:nn:nn:pp:pp, node and port: locally administered, unicast, unique below 2^24 nodes.
MacAddress interface_mac(NodeIndex node, std::size_t port) {
    CHECK(node < (std::size_t{1} << 24));
    CHECK(port < (std::size_t{1} << 16));
    return {0x0200'0000'0000U | (std::uint64_t{node} << 16) | port};
}

/// One entry per host and per router link end, ascending by (node, link); `segment` holds the
/// domain.
std::vector<Interface> list_interfaces(const Underlay& underlay, const Layer2Domains& domains) {
    std::vector<Interface> interfaces;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        for (std::size_t end = 0; end < 2; ++end) {
            const NodeIndex node = end == 0 ? underlay.links[link].a : underlay.links[link].b;
            if (underlay.nodes[node].kind == UnderlayNode::Kind::switch_) continue;
            interfaces.push_back({node, link, domains.of_link_end[link][end], {}, {}});
        }
    }
    std::ranges::sort(interfaces, {}, [](const Interface& i) { return std::pair(i.node, i.link); });
    std::size_t port = 0;
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        port = i > 0 && interfaces[i - 1].node == interfaces[i].node ? port + 1 : 0;
        interfaces[i].mac = interface_mac(interfaces[i].node, port);
    }
    return interfaces;
}

struct Draft {
    Segment segment;
    std::vector<NodeIndex> members;
    LinkId first_link = 0;
    std::size_t domain = 0;
};

/// Segments in no particular order; domains without any interface have none.
std::vector<Draft> draft_segments(const Underlay& underlay, const Layer2Domains& domains,
                                  const std::vector<Interface>& interfaces) {
    std::map<std::size_t, Draft> by_domain;
    for (const Interface& interface : interfaces) {
        const auto [it, is_new] = by_domain.try_emplace(interface.segment);
        Draft& draft = it->second;
        draft.domain = interface.segment;
        draft.first_link = is_new ? interface.link : std::min(draft.first_link, interface.link);
        auto& list =
            is_router(underlay, interface.node) ? draft.segment.routers : draft.segment.hosts;
        // A router with two ports in one segment is one member.
        if (list.empty() || list.back() != interface.node) list.push_back(interface.node);
    }
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind != UnderlayNode::Kind::switch_) continue;
        const auto it = by_domain.find(domains.of_node[node]);
        if (it != by_domain.end()) it->second.segment.switches.push_back(node);
    }
    std::vector<Draft> drafts;
    for (auto& [domain, draft] : by_domain) {
        for (const auto* list :
             {&draft.segment.hosts, &draft.segment.routers, &draft.segment.switches})
            draft.members.insert(draft.members.end(), list->begin(), list->end());
        std::ranges::sort(draft.members);
        drafts.push_back(std::move(draft));
    }
    return drafts;
}

}  // namespace

Layer2Domains layer2_domains(const Underlay& underlay, const std::vector<bool>& link_up) {
    CHECK(link_up.size() == underlay.links.size());
    std::vector<std::pair<std::size_t, std::size_t>> edges;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        if (link_up[link])
            edges.emplace_back(end_vertex(underlay, link, 0), end_vertex(underlay, link, 1));
    }
    const HopGraph graph(underlay.nodes.size() + 2 * underlay.links.size(), edges);
    std::vector<std::size_t> component = graph.components();
    Layer2Domains domains;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        domains.of_link_end.push_back(
            {component[end_vertex(underlay, link, 0)], component[end_vertex(underlay, link, 1)]});
    }
    component.resize(underlay.nodes.size());
    domains.of_node = std::move(component);
    return domains;
}

SegmentPlan plan_segments(const Underlay& underlay) {
    const Layer2Domains domains =
        layer2_domains(underlay, std::vector<bool>(underlay.links.size(), true));
    SegmentPlan plan;
    plan.interfaces = list_interfaces(underlay, domains);
    std::vector<Draft> drafts = draft_segments(underlay, domains, plan.interfaces);
    // Two segments can have the same members (parallel links between two routers): then by link.
    std::ranges::sort(drafts, [](const Draft& x, const Draft& y) {
        return std::tie(x.members, x.first_link) < std::tie(y.members, y.first_link);
    });

    std::map<std::size_t, SegmentId> id_of_domain;
    for (Draft& draft : drafts) {
        id_of_domain[draft.domain] = plan.segments.size();
        plan.segments.push_back(std::move(draft.segment));
    }
    for (Interface& interface : plan.interfaces)
        interface.segment = id_of_domain.at(interface.segment);
    plan.of_node.assign(underlay.nodes.size(), no_segment);
    for (SegmentId id = 0; id < plan.segments.size(); ++id) {
        for (const NodeIndex host : plan.segments[id].hosts) plan.of_node[host] = id;
        for (const NodeIndex node : plan.segments[id].switches) plan.of_node[node] = id;
    }
    return plan;
}

}  // namespace overlab
