#include "sim/router_node.h"

#include <algorithm>

#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::sim {

RouterNode::RouterNode(Engine& engine, const UnderlayGraph& graph, NodeIndex self,
                       const std::vector<LinkTransmitter*>& transmitters)
    : graph_(&graph), self_(self), salt_(graph.ecmp_salt(self)) {
    for (const Interface& interface : graph.interfaces()) {
        if (interface.node != self) continue;
        const IpInterface::Identity identity{.mac = interface.mac,
                                             .address = interface.address,
                                             .subnet = graph.segments()[interface.segment].prefix};
        const LinkId link = interface.link;
        ports_.push_back(
            {link, std::make_unique<IpInterface>(
                       engine, identity, *transmitters[link], [this, link](FramePtr packet) {
                           report(*packet, IcmpReason::host_unreachable, *interface_on(link));
                       })});
    }
    for (SegmentId id = 0; id < graph.segments().size(); ++id) {
        routes_.push_back({.prefix = graph.segments()[id].prefix, .segment = id, .hops = {}});
    }
    std::ranges::sort(routes_, {}, &SegmentRoute::prefix);
}

void RouterNode::receive(FramePtr frame, std::uint32_t port) {
    IpInterface& in = *interface_on(port);
    if (!in.accepts(*frame)) return;
    if (load_be16(frame->data() + 12) == ether_type::arp) {
        in.receive_arp(*frame);
        return;
    }
    frame->strip(EthernetHeader::bytes);
    frame->has_ethernet = false;
    forward(std::move(frame), in);
}

void RouterNode::forward(FramePtr packet, IpInterface& from) {
    if (is_own(ip_destination(*packet))) return;  // nothing listens on a router
    if (packet->data()[ipv4_offset::ttl] <= 1) {
        ttl_expired_ += packet->segments;
        report(*packet, IcmpReason::ttl_expired, from);
        return;
    }
    SegmentRoute* route = route_to(ip_destination(*packet));
    if (route == nullptr || route->hops.empty()) {
        no_route_ += packet->segments;
        report(*packet, IcmpReason::net_unreachable, from);
        return;
    }
    decrement_ipv4_ttl(packet->data());
    const auto& hop = route->hops[ecmp_choice(packet->outer_hash, salt_, route->hops.size())];
    const Ipv4Address next_hop =
        hop.gateway.is_unspecified() ? ip_destination(*packet) : hop.gateway;
    transmit(std::move(packet), *interface_on(hop.link), next_hop, from);
}

void RouterNode::transmit(FramePtr packet, IpInterface& out, Ipv4Address next_hop,
                          IpInterface& from) {
    const std::uint32_t mtu = out.link().mtu();
    if (packet->first_size() <= mtu) {
        out.output(std::move(packet), next_hop);
        return;
    }
    if (ip_dont_fragment(*packet)) {
        mtu_exceeded_ += packet->segments;
        report(*packet, IcmpReason::fragmentation_needed, from, mtu);
        return;
    }
    for (FramePtr& single : single_packets(std::move(packet))) {
        for (FramePtr& piece : fragment(std::move(single), mtu)) {
            out.output(std::move(piece), next_hop);
        }
    }
}

void RouterNode::report(const Frame& cause, IcmpReason reason, IpInterface& from,
                        std::uint32_t mtu) {
    if (FramePtr error = make_icmp_error(cause, reason, from.identity().address, mtu)) {
        route_own(std::move(error));
    }
}

/// Sends a packet that this router made itself.
void RouterNode::route_own(FramePtr packet) {
    SegmentRoute* route = route_to(ip_destination(*packet));
    if (route == nullptr || route->hops.empty()) return;
    const auto& hop = route->hops[ecmp_choice(packet->outer_hash, salt_, route->hops.size())];
    const Ipv4Address next_hop =
        hop.gateway.is_unspecified() ? ip_destination(*packet) : hop.gateway;
    interface_on(hop.link)->output(std::move(packet), next_hop);
}

IpInterface* RouterNode::interface_on(LinkId link) {
    const auto found = std::ranges::lower_bound(ports_, link, {}, &PortEntry::link);
    CHECK(found != ports_.end() && found->link == link);
    return found->interface.get();
}

RouterNode::SegmentRoute* RouterNode::route_to(Ipv4Address destination) {
    auto after = std::ranges::upper_bound(
        routes_, destination, {}, [](const SegmentRoute& route) { return route.prefix.network; });
    if (after == routes_.begin()) return nullptr;
    SegmentRoute& route = *--after;
    if (!route.prefix.contains(destination)) return nullptr;
    if (!route.known) {
        route.hops = graph_->routes(self_, route.segment);
        route.known = true;
    }
    return &route;
}

bool RouterNode::is_own(Ipv4Address address) const {
    return std::ranges::any_of(ports_, [&](const PortEntry& port) {
        return port.interface->identity().address == address;
    });
}

}  // namespace overlab::sim
