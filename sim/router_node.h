// RouterNode: a layer-3 hop of the underlay: an address on every segment it touches, routes to
// every segment (as after its routing protocol has converged), equal-cost multipath by the outer
// flow hash, TTL, MTU with ICMP fragmentation-needed or fragmentation, ARP on every interface.
// Forwards at line rate, without latency of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/underlay/graph.h"
#include "sim/ip_interface.h"
#include "sim/ip_packet.h"

namespace overlab::sim {

class RouterNode final : public FrameSink {
   public:
    /// `transmitters`: by LinkId, this router's sending side.
    RouterNode(Engine& engine, const UnderlayGraph& graph, NodeIndex self,
               const std::vector<LinkTransmitter*>& transmitters);

    /// `port` is the LinkId the frame came in by.
    void receive(FramePtr frame, std::uint32_t port) override;

    [[nodiscard]] std::uint64_t no_route() const { return no_route_; }
    [[nodiscard]] std::uint64_t ttl_expired() const { return ttl_expired_; }
    [[nodiscard]] std::uint64_t mtu_exceeded() const { return mtu_exceeded_; }

   private:
    struct PortEntry {
        LinkId link;
        std::unique_ptr<IpInterface> interface;
    };
    struct SegmentRoute {
        Ipv4Prefix prefix;
        SegmentId segment = 0;
        bool known = false;
        std::vector<UnderlayGraph::RouterHop> hops;
    };

    void forward(FramePtr packet, IpInterface& from);
    void transmit(FramePtr packet, IpInterface& out, Ipv4Address next_hop, IpInterface& from);
    void report(const Frame& cause, IcmpReason reason, IpInterface& from, std::uint32_t mtu = 0);
    void route_own(FramePtr packet);
    IpInterface* interface_on(LinkId link);
    SegmentRoute* route_to(Ipv4Address destination);
    [[nodiscard]] bool is_own(Ipv4Address address) const;

    const UnderlayGraph* graph_;
    NodeIndex self_;
    std::uint64_t salt_;
    std::vector<PortEntry> ports_;      ///< ascending by link
    std::vector<SegmentRoute> routes_;  ///< ascending by prefix; segments never overlap
    std::uint64_t no_route_ = 0, ttl_expired_ = 0, mtu_exceeded_ = 0;
};

}  // namespace overlab::sim
