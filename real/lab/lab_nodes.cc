#include "real/lab/lab_nodes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "real/lab/port_names.h"
#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

/// The kernel's table of neighbours is one for all namespaces and no bigger than 1024 entries
/// (gc_thresh3) unless the machine's owner says so; permanent entries do not count.
constexpr std::size_t most_learned_neighbours = 500;
/// Beyond that, telling everybody of everybody costs more than the lab itself.
constexpr std::size_t most_fixed_neighbours = 2'000'000;
constexpr std::size_t most_named_links = 4;

std::size_t members_of(const Segment& segment) {
    return segment.hosts.size() + segment.routers.size();
}

std::size_t neighbour_count(const UnderlayGraph& graph) {
    std::size_t count = 0;
    for (const Segment& segment : graph.segments()) {
        const std::size_t members = members_of(segment);
        if (members > 0) count += members * (members - 1);
    }
    return count;
}

std::vector<bool> links_in_tree(const Underlay& underlay, const UnderlayGraph& graph) {
    std::vector<bool> in_tree(underlay.links.size(), true);
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind != UnderlayNode::Kind::switch_) continue;
        for (const Port& port : graph.ports(node)) in_tree[port.link] = false;
    }
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind != UnderlayNode::Kind::switch_) continue;
        for (const LinkId link : graph.flood_links(node)) in_tree[link] = true;
    }
    return in_tree;
}

/// Settings that a kernel may lack (no IPv6, no bridge filter) are fine when absent.
Result<void> set_where_known(Links& links, std::string_view key, std::string_view value) {
    Result<void> done = links.set_sysctl(key, value);
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

/// MACs of hosts and routers that tree links lead to from `link` on, away from `from`.
void collect_macs(const LabPlan& plan, NodeIndex from, LinkId link, std::vector<MacAddress>& macs) {
    std::vector<std::pair<NodeIndex, LinkId>> ahead{{from, link}};
    while (!ahead.empty()) {
        const auto [behind, way] = ahead.back();
        ahead.pop_back();
        const UnderlayLink& spec = plan.scenario->underlay.links[way];
        const NodeIndex at = spec.a == behind ? spec.b : spec.a;
        if (const Interface* const interface = plan.graph.interface_of(at, way)) {
            macs.push_back(interface->mac);
            continue;
        }
        for (const Port& port : plan.graph.ports(at)) {
            if (port.link != way && plan.in_tree[port.link]) ahead.emplace_back(at, port.link);
        }
    }
}

/// The switch knows where everybody is, as the sim's do: nothing is flooded but broadcasts. (With
/// learning alone, one host's first packets to a hundred others would be ten thousand copies.)
Result<void> fix_stations(Links& links, const LabPlan& plan, NodeIndex node) {
    NetlinkBatch batch;
    for (const Port& port : plan.graph.ports(node)) {
        if (!plan.in_tree[port.link]) continue;
        OVERLAB_TRY(const std::uint32_t index, links.index_of(plan.port_of(node, port.link)));
        std::vector<MacAddress> macs;
        collect_macs(plan, node, port.link, macs);
        for (const MacAddress mac : macs) {
            nlmsghdr* const message =
                batch.add(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(ndmsg));
            auto& header = NetlinkBatch::family_header<ndmsg>(message);
            header.ndm_family = AF_BRIDGE;
            header.ndm_ifindex = static_cast<int>(index);
            header.ndm_flags = NTF_MASTER;
            header.ndm_state = NUD_NOARP;  // stays there, and does not age
            put_mac(message, NDA_LLADDR, mac);
        }
    }
    if (batch.size() == 0) return {};
    for (const Result<void>& done : links.socket().execute(batch)) {
        if (!done) return done;
    }
    return {};
}

/// Everybody on the segment, so that nobody need ask.
Result<void> fix_neighbours(Links& links, const LabPlan& plan, const Interface& own) {
    OVERLAB_TRY(const std::uint32_t index, links.index_of(plan.port_of(own.node, own.link)));
    NetlinkBatch batch;
    for (const Interface& other : plan.graph.interfaces()) {
        if (other.segment != own.segment || other.address == own.address) continue;
        nlmsghdr* const message =
            batch.add(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(ndmsg));
        auto& header = NetlinkBatch::family_header<ndmsg>(message);
        header.ndm_family = AF_INET;
        header.ndm_ifindex = static_cast<int>(index);
        header.ndm_state = NUD_PERMANENT;
        put_ipv4(message, NDA_DST, other.address);
        put_mac(message, NDA_LLADDR, other.mac);
    }
    if (batch.size() == 0) return {};
    for (const Result<void>& done : links.socket().execute(batch)) {
        if (!done) return done;
    }
    return {};
}

/// Up, with its address.
Result<void> set_up_interface(Links& links, const LabPlan& plan, const Interface& interface) {
    const std::string& name = plan.port_of(interface.node, interface.link);
    const unsigned length = plan.graph.segments()[interface.segment].prefix.length;
    if (Result<void> up = links.set_up(name, true); !up) return up;
    if (Result<void> added = links.add_address(name, interface.address, length); !added)
        return added;
    return plan.fixed_neighbours ? fix_neighbours(links, plan, interface) : Result<void>{};
}

}  // namespace

Result<LabPlan> plan_lab(const Scenario& scenario) {
    OVERLAB_TRY(UnderlayGraph graph, UnderlayGraph::build(scenario.underlay));
    LabPlan plan{.scenario = &scenario, .graph = std::move(graph)};
    for (NodeIndex node = 0; node < scenario.underlay.nodes.size(); ++node) {
        const UnderlayNode& spec = scenario.underlay.nodes[node];
        const std::size_t links = plan.graph.ports(node).size();
        if (spec.kind != UnderlayNode::Kind::switch_ || links <= most_bridge_ports) continue;
        return fail(ErrorKind::unsupported,
                    fmt::format("switch {}: has {} links, but a Linux bridge takes no more than {} "
                                "ports; spread the hosts over several switches (generate "
                                "leaf_spine does), or use --world sim",
                                spec.name, links, most_bridge_ports));
    }
    plan.port_names = port_names(scenario.underlay);
    plan.in_tree = links_in_tree(scenario.underlay, plan.graph);
    const std::size_t neighbours = neighbour_count(plan.graph);
    plan.fixed_neighbours =
        neighbours > most_learned_neighbours && neighbours <= most_fixed_neighbours;
    return plan;
}

std::vector<std::string> topology_warnings(const LabPlan& plan) {
    std::vector<std::string> warnings;
    std::vector<std::string> idle;
    for (LinkId link = 0; link < plan.in_tree.size(); ++link) {
        if (!plan.in_tree[link]) idle.push_back(plan.scenario->underlay.links[link].name);
    }
    if (!idle.empty()) {
        const std::size_t shown = std::min(idle.size(), most_named_links);
        std::string names = fmt::format(
            "{}", fmt::join(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
        if (shown < idle.size()) names += fmt::format(" and {} more", idle.size() - shown);
        warnings.push_back(fmt::format(
            "switches of the kernel world forward along one spanning tree, not along all equal "
            "paths; these links carry nothing: {}",
            names));
    }
    if (plan.fixed_neighbours) {
        warnings.emplace_back(
            "hosts and routers know each other's MAC addresses from the start instead of asking by "
            "ARP: this kernel's neighbour table is too small for so many");
    } else if (neighbour_count(plan.graph) > most_fixed_neighbours) {
        warnings.emplace_back(
            "segments are so large that ARP may overflow this kernel's neighbour table (sysctl "
            "net.ipv4.neigh.default.gc_thresh3)");
    }
    return warnings;
}

Result<void> set_defaults(Links& links, bool forwards) {
    const std::string_view forward = forwards ? "1" : "0";
    for (const auto& [key, value] :
         std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"net/ipv6/conf/all/disable_ipv6", "1"},
             {"net/ipv6/conf/default/disable_ipv6", "1"},
             {"net/ipv4/ip_forward", forward},
             {"net/ipv4/conf/all/rp_filter", "0"},
             {"net/ipv4/conf/default/rp_filter", "0"},
             {"net/ipv4/conf/all/send_redirects", "0"},
             {"net/ipv4/conf/default/send_redirects", "0"},
             {"net/bridge/bridge-nf-call-iptables", "0"},
             {"net/bridge/bridge-nf-call-ip6tables", "0"},
             {"net/bridge/bridge-nf-call-arptables", "0"},
             {"net/ipv4/fib_multipath_hash_policy", "1"}}) {
        if (Result<void> done = set_where_known(links, key, value); !done) return done;
    }
    return {};
}

Result<void> set_up_host(Links& links, const LabPlan& plan, NodeIndex host) {
    const Interface& interface = plan.graph.host_interface(host);
    if (Result<void> done = set_up_interface(links, plan, interface); !done) return done;
    // As the sim's hosts: without a router everything is on the link.
    const NextHop hop{.link = std::string(host_port), .gateway = plan.graph.gateway_of(host)};
    return links.set_route(Ipv4Prefix{}, std::span(&hop, 1));
}

Result<void> set_up_switch(Links& links, const LabPlan& plan, NodeIndex node) {
    const std::string bridge(switch_bridge);
    if (Result<void> added = links.add_bridge(bridge); !added) return added;
    for (const Port& port : plan.graph.ports(node)) {
        const std::string& name = plan.port_of(node, port.link);
        // A port outside of the tree is up, so that its peer sees a line, but belongs to no bridge.
        if (plan.in_tree[port.link]) {
            if (Result<void> done = links.set_master(name, bridge); !done) return done;
        }
        if (Result<void> up = links.set_up(name, true); !up) return up;
    }
    if (Result<void> done = fix_stations(links, plan, node); !done) return done;
    return links.set_up(bridge, true);
}

Result<void> set_up_router(Links& links, const LabPlan& plan, NodeIndex router) {
    // Two interfaces on one segment must not answer for each other.
    if (Result<void> done = links.set_sysctl("net/ipv4/conf/all/arp_ignore", "1"); !done)
        return done;
    for (const Port& port : plan.graph.ports(router)) {
        const Interface* const interface = plan.graph.interface_of(router, port.link);
        CHECK(interface != nullptr);
        if (Result<void> done = set_up_interface(links, plan, *interface); !done) return done;
    }
    for (SegmentId segment = 0; segment < plan.graph.segments().size(); ++segment) {
        std::vector<NextHop> hops;
        bool on_link = false;
        for (const auto& hop : plan.graph.routes(router, segment)) {
            on_link = on_link || hop.gateway.is_unspecified();
            hops.push_back({.link = plan.port_of(router, hop.link), .gateway = {}});
            if (!hop.gateway.is_unspecified()) hops.back().gateway = hop.gateway;
        }
        // An address brings the route of its own segment with it.
        if (hops.empty() || (on_link && hops.size() == 1)) continue;
        const Result<void> done = links.set_route(plan.graph.segments()[segment].prefix, hops);
        if (!done) return done;
    }
    return {};
}

}  // namespace overlab::real
