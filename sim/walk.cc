#include "sim/walk.h"

#include <algorithm>

namespace overlab::sim {
namespace {

std::optional<NodeIndex> index_of(const Underlay& underlay, const std::string& name) {
    const auto found = std::ranges::lower_bound(underlay.nodes, name, {}, &UnderlayNode::name);
    if (found == underlay.nodes.end() || found->name != name) return std::nullopt;
    return static_cast<NodeIndex>(found - underlay.nodes.begin());
}

/// The smallest MTU between two neighbours: parallel links are alternatives, so the best of them.
std::uint32_t hop_mtu(const UnderlayNetwork& network, NodeIndex a, NodeIndex b) {
    std::uint32_t mtu = 0;
    for (const Port& port : network.graph().ports(a)) {
        if (port.peer == b) mtu = std::max(mtu, network.underlay().links[port.link].mtu);
    }
    return mtu;
}

std::optional<UnderlayPath> underlay_path(const UnderlayNetwork& network, const std::string& from,
                                          const std::string& to, std::uint64_t flow_hash) {
    const Underlay& underlay = network.underlay();
    const auto start = index_of(underlay, from);
    const auto end = index_of(underlay, to);
    if (!start || !end) return std::nullopt;
    const auto nodes = network.graph().path(*start, *end, flow_hash);
    if (!nodes) return std::nullopt;
    UnderlayPath path{.via = {}, .mtu = ~std::uint32_t{0}};
    for (std::size_t i = 0; i + 1 < nodes->size(); ++i) {
        path.mtu = std::min(path.mtu, hop_mtu(network, (*nodes)[i], (*nodes)[i + 1]));
        if (i == 0) continue;
        const UnderlayNode& node = underlay.nodes[(*nodes)[i]];
        path.via.push_back(node.name);
        if (node.kind == UnderlayNode::Kind::router) ++path.router_hops;
    }
    return path;
}

}  // namespace

PacketWalk packet_walk(UnderlayNetwork& network) {
    std::vector<WalkHost> hosts;
    for (NodeIndex node = 0; node < network.underlay().nodes.size(); ++node) {
        SimHost* host = network.host(node);
        if (host == nullptr) continue;
        hosts.push_back({.name = host->host_name(),
                         .underlay_address = host->address(),
                         .tables = &host->tables(),
                         .pods = host->pod_addresses()});
    }
    return {std::move(hosts),
            [&network](const std::string& from, const std::string& to, std::uint64_t flow_hash) {
                return underlay_path(network, from, to, flow_hash);
            }};
}

}  // namespace overlab::sim
