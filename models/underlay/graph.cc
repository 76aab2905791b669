#include "models/underlay/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "models/base/check.h"
#include "models/base/flat_hash.h"
#include "models/base/rng.h"
#include "models/underlay/address_plan.h"
#include "models/underlay/hop_graph.h"
#include "models/underlay/router_map.h"
#include "models/underlay/segments.h"
#include "models/underlay/switch_fabric.h"

namespace overlab {
namespace {

std::vector<std::vector<Port>> list_ports(const Underlay& underlay) {
    std::vector<std::vector<Port>> ports(underlay.nodes.size());
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        ports[underlay.links[link].a].push_back({link, underlay.links[link].b});
        ports[underlay.links[link].b].push_back({link, underlay.links[link].a});
    }
    for (auto& list : ports) {
        std::ranges::sort(list, {}, [](const Port& p) { return std::pair(p.peer, p.link); });
    }
    return ports;
}

std::vector<std::size_t> physical_components(const Underlay& underlay,
                                             const std::vector<bool>& link_up) {
    std::vector<std::pair<std::size_t, std::size_t>> edges;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        if (link_up[link]) edges.emplace_back(underlay.links[link].a, underlay.links[link].b);
    }
    return HopGraph(underlay.nodes.size(), edges).components();
}

/// Errors unless every host has exactly one link.
Result<std::vector<std::vector<Port>>> ports_of_valid(const Underlay& underlay) {
    std::vector<std::vector<Port>> ports = list_ports(underlay);
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind != UnderlayNode::Kind::host || ports[node].size() == 1)
            continue;
        return fail(ErrorKind::invalid_argument,
                    fmt::format("host {}: has {} links, needs exactly one",
                                underlay.nodes[node].name, ports[node].size()));
    }
    return ports;
}

}  // namespace

struct UnderlayGraph::Impl {
    std::vector<UnderlayNode::Kind> kinds;
    std::vector<std::uint64_t> salts;
    std::vector<std::array<NodeIndex, 2>> ends;
    std::vector<bool> link_up;
    std::vector<std::vector<Port>> ports;
    SegmentPlan plan;
    std::vector<std::size_t>
        first_interface;  ///< by node, into plan.interfaces; one more at the end
    std::vector<std::optional<Ipv4Address>> gateways;  ///< by segment
    std::vector<std::size_t> component;                ///< by node, links that are up
    SwitchFabric fabric;
    RouterMap routers;

    Impl(const Underlay& underlay, SegmentPlan segment_plan,
         std::vector<std::vector<Port>> all_ports, std::vector<bool> up)
        : link_up(std::move(up)),
          ports(std::move(all_ports)),
          plan(std::move(segment_plan)),
          component(physical_components(underlay, link_up)),
          fabric(underlay, ports, link_up),
          routers(underlay, plan, link_up) {
        for (const UnderlayNode& node : underlay.nodes) {
            kinds.push_back(node.kind);
            salts.push_back(stable_hash(node.name));
        }
        for (const UnderlayLink& link : underlay.links) ends.push_back({link.a, link.b});
        gateways.resize(plan.segments.size());
        first_interface.assign(kinds.size() + 1, 0);
        for (const Interface& interface : plan.interfaces) {
            ++first_interface[interface.node + 1];
            if (kinds[interface.node] != UnderlayNode::Kind::router) continue;
            auto& gateway = gateways[interface.segment];
            if (!gateway || interface.address < *gateway) gateway = interface.address;
        }
        for (std::size_t i = 1; i < first_interface.size(); ++i)
            first_interface[i] += first_interface[i - 1];
    }

    [[nodiscard]] std::span<const Interface> interfaces_of(NodeIndex node) const {
        return std::span(plan.interfaces)
            .subspan(first_interface.at(node),
                     first_interface.at(node + 1) - first_interface[node]);
    }
    [[nodiscard]] NodeIndex far_end(LinkId link, NodeIndex near) const {
        return ends[link][0] == near ? ends[link][1] : ends[link][0];
    }
    [[nodiscard]] std::vector<LinkId> exits_into(NodeIndex owner, SegmentId segment) const {
        std::vector<LinkId> links;
        for (const Interface& interface : interfaces_of(owner)) {
            if (interface.segment == segment) links.push_back(interface.link);
        }
        return links;
    }
    [[nodiscard]] std::optional<NodeIndex> owner_of(SegmentId segment,
                                                    Ipv4Address router_address) const {
        for (const NodeIndex router : plan.segments[segment].routers) {
            for (const Interface& interface : interfaces_of(router)) {
                if (interface.segment == segment && interface.address == router_address)
                    return router;
            }
        }
        return std::nullopt;
    }
    [[nodiscard]] const Interface& interface_at(NodeIndex node, LinkId link) const {
        const auto all = interfaces_of(node);
        const auto it = std::ranges::find(all, link, &Interface::link);
        CHECK(it != all.end());
        return *it;
    }

    bool cross_segment(NodeIndex target, SegmentId segment, LinkId first, std::uint64_t flow_hash,
                       std::vector<NodeIndex>& way) const;
};

/// Appends the nodes from way.back() through `first` to `target`, all in one segment. False if cut
/// off.
bool UnderlayGraph::Impl::cross_segment(NodeIndex target, SegmentId segment, LinkId first,
                                        std::uint64_t flow_hash,
                                        std::vector<NodeIndex>& way) const {
    const std::vector<LinkId> exits = exits_into(target, segment);
    LinkId link = first;
    for (std::size_t steps = 0; steps <= kinds.size(); ++steps) {
        if (!link_up[link]) return false;
        const NodeIndex at = far_end(link, way.back());
        way.push_back(at);
        if (at == target) return true;
        if (kinds[at] != UnderlayNode::Kind::switch_) return false;
        const std::vector<LinkId> choices = fabric.next_links(at, exits);
        if (choices.empty()) return false;
        link = choices[ecmp_choice(flow_hash, salts[at], choices.size())];
    }
    CHECK(false);  // every step comes nearer to the target
    return false;
}

Result<UnderlayGraph> UnderlayGraph::build(const Underlay& underlay,
                                           const std::vector<LinkId>& down) {
    CHECK(std::ranges::is_sorted(underlay.nodes, {}, &UnderlayNode::name));
    OVERLAB_TRY(std::vector<std::vector<Port>> ports, ports_of_valid(underlay));
    OVERLAB_TRY(SegmentPlan plan, assign_addresses(underlay, plan_segments(underlay)));
    std::vector<bool> link_up(underlay.links.size(), true);
    for (const LinkId link : down) link_up.at(link) = false;
    UnderlayGraph graph;
    graph.impl_ = std::make_shared<const Impl>(underlay, std::move(plan), std::move(ports),
                                               std::move(link_up));
    return graph;
}

const std::vector<Port>& UnderlayGraph::ports(NodeIndex node) const {
    return impl_->ports.at(node);
}

const std::vector<Segment>& UnderlayGraph::segments() const { return impl_->plan.segments; }

const std::vector<Interface>& UnderlayGraph::interfaces() const { return impl_->plan.interfaces; }

const Interface* UnderlayGraph::interface_of(NodeIndex node, LinkId link) const {
    for (const Interface& interface : impl_->interfaces_of(node)) {
        if (interface.link == link) return &interface;
    }
    return nullptr;
}

const Interface& UnderlayGraph::host_interface(NodeIndex host) const {
    CHECK(impl_->kinds.at(host) == UnderlayNode::Kind::host);
    return impl_->interfaces_of(host).front();
}

std::optional<Ipv4Address> UnderlayGraph::gateway_of(NodeIndex host) const {
    return impl_->gateways[host_interface(host).segment];
}

std::vector<LinkId> UnderlayGraph::next_links(NodeIndex at, NodeIndex to) const {
    const std::size_t segment = impl_->plan.of_node.at(at);
    if (segment == no_segment) return {};
    return impl_->fabric.next_links(at, impl_->exits_into(to, segment));
}

std::vector<LinkId> UnderlayGraph::flood_links(NodeIndex at) const {
    return impl_->fabric.flood_links(at);
}

std::uint64_t UnderlayGraph::ecmp_salt(NodeIndex node) const { return impl_->salts.at(node); }

std::vector<UnderlayGraph::RouterHop> UnderlayGraph::routes(NodeIndex at, SegmentId to) const {
    return impl_->routers.routes(at, to);
}

bool UnderlayGraph::connected(NodeIndex a, NodeIndex b) const {
    return impl_->component.at(a) == impl_->component.at(b);
}

std::optional<std::vector<NodeIndex>> UnderlayGraph::path(NodeIndex a, NodeIndex b,
                                                          std::uint64_t flow_hash) const {
    std::vector<NodeIndex> way{a};
    if (a == b) return way;
    const SegmentId goal = host_interface(b).segment;
    SegmentId segment = host_interface(a).segment;
    LinkId link = host_interface(a).link;
    std::optional<Ipv4Address> gateway;
    if (segment != goal) {
        gateway = gateway_of(a);
        if (!gateway) return std::nullopt;
    }
    for (std::size_t hops = 0; hops <= impl_->plan.segments.size(); ++hops) {
        const NodeIndex target = gateway ? *impl_->owner_of(segment, *gateway) : b;
        if (!impl_->cross_segment(target, segment, link, flow_hash, way)) return std::nullopt;
        if (target == b) return way;
        const std::vector<RouterHop> choices = routes(target, goal);
        if (choices.empty()) return std::nullopt;
        const RouterHop& hop = choices[ecmp_choice(flow_hash, ecmp_salt(target), choices.size())];
        link = hop.link;
        segment = impl_->interface_at(target, link).segment;
        gateway.reset();
        if (!hop.gateway.is_unspecified()) gateway = hop.gateway;
    }
    return std::nullopt;
}

std::size_t ecmp_choice(std::uint64_t flow_hash, std::uint64_t salt, std::size_t count) {
    CHECK(count > 0);
    // The high half scaled to [0, count): as good as a modulus and without its cost.
    return static_cast<std::size_t>(((mix64(flow_hash ^ salt) >> 32) * count) >> 32);
}

}  // namespace overlab
