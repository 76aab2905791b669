// PodDevice: a pod's network interface (eth0), between ns-3's transport protocols and the host.
//
//      ns3::TcpL4Protocol  ns3::UdpL4Protocol  ns3::Icmpv4L4Protocol
//                   |  send_packet()     ^  Receive()
//                   v                    |
//                 PodDevice: IPv4 header, path MTU, super-segments, fragments
//                   |  PodPort::to_host  ^  from_host()
//
// It does the IPv4 layer's work itself. ns-3's Ipv4L3Protocol keeps the addresses and the routing
// table that sockets ask; its output path would fragment whatever exceeds the MTU, never set DF,
// and treat x.y.z.255 of another network as a broadcast. Here Linux is the model:
//  - TCP leaves with DF and its own IP id; a socket may hand over up to 64 KB at once (TSO), which
//    becomes one Frame of many real packets of the socket's segment size.
//  - UDP that fits the path MTU leaves with DF (IP_PMTUDISC_WANT), larger datagrams are fragmented.
//  - ICMP fragmentation-needed lowers the path MTU of its destination, for good (Linux forgets
//  after
//    ten minutes; runs are shorter), not below 552 bytes (net.ipv4.route.min_pmtu).
//  - A SYN gets the MSS option that ns-3.37's sockets do not write.
// A TCP payload travels as a length: its bytes are zeros. IPv4 options are not modelled.
#pragma once

#include <ns3/channel.h>
#include <ns3/ipv4-interface.h>
#include <ns3/ipv4-l3-protocol.h>
#include <ns3/ipv4-route.h>
#include <ns3/net-device.h>
#include <ns3/node.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "models/base/flat_hash.h"
#include "models/net/address.h"
#include "sim/ip_packet.h"
#include "sim/pod_port.h"

namespace overlab::sim {

class PodDevice final : public ns3::NetDevice {
   public:
    /// How a TCP socket wants its next packet to leave.
    struct SegmentPlan {
        std::uint32_t segment_bytes = 0;   ///< payload of one real packet
        std::shared_ptr<TxBudget> budget;  ///< charged until the packet leaves the host
    };

    static ns3::TypeId GetTypeId();

    /// What ns-3 calls the interface. Before anything else.
    void set_up(Engine& engine, ns3::Ptr<ns3::Ipv4L3Protocol> ipv4,
                ns3::Ptr<ns3::Ipv4Interface> interface);
    void connect(PodPort& port) { port_ = &port; }
    void configure(Ipv4Address address, std::uint32_t mtu);
    void from_host(FramePtr frame);
    /// No address any more, and no path MTU.
    void forget_all();

    /// ns-3's transport protocols send here (IpL4Protocol::SetDownTarget).
    void send_packet(ns3::Ptr<ns3::Packet> packet, ns3::Ipv4Address source,
                     ns3::Ipv4Address destination, std::uint8_t protocol,
                     ns3::Ptr<ns3::Ipv4Route> route);

    /// Holds for the one TCP packet that is sent next.
    void plan_next(SegmentPlan plan) { plan_ = std::move(plan); }

    [[nodiscard]] Engine& engine() const { return *engine_; }
    [[nodiscard]] PodPort& port() const { return *port_; }
    [[nodiscard]] Ipv4Address address() const { return address_; }
    [[nodiscard]] std::uint32_t mtu() const { return mtu_; }
    [[nodiscard]] std::uint32_t path_mtu(Ipv4Address destination) const;
    /// Changes whenever some path's MTU did.
    [[nodiscard]] std::uint32_t path_mtu_version() const { return path_mtu_version_; }

    /// Packets from this local port belong to the flow. 0: forget it.
    void label(IpProtocol protocol, std::uint16_t local_port, std::uint32_t flow_id);

    // ns3::NetDevice. ns-3 sees an Ethernet-like interface without ARP and with the largest MTU, so
    // that nothing above limits a super-segment.
    void SetIfIndex(const std::uint32_t index) override { index_ = index; }
    std::uint32_t GetIfIndex() const override { return index_; }
    ns3::Ptr<ns3::Channel> GetChannel() const override { return nullptr; }
    void SetAddress(ns3::Address) override {}
    ns3::Address GetAddress() const override { return {}; }
    bool SetMtu(const std::uint16_t) override { return false; }
    std::uint16_t GetMtu() const override { return 0xffff; }
    bool IsLinkUp() const override { return true; }
    void AddLinkChangeCallback(ns3::Callback<void>) override {}
    bool IsBroadcast() const override { return false; }
    ns3::Address GetBroadcast() const override { return {}; }
    bool IsMulticast() const override { return false; }
    ns3::Address GetMulticast(ns3::Ipv4Address) const override { return {}; }
    ns3::Address GetMulticast(ns3::Ipv6Address) const override { return {}; }
    bool IsBridge() const override { return false; }
    bool IsPointToPoint() const override { return true; }
    bool Send(ns3::Ptr<ns3::Packet>, const ns3::Address&, std::uint16_t) override { return false; }
    bool SendFrom(ns3::Ptr<ns3::Packet>, const ns3::Address&, const ns3::Address&,
                  std::uint16_t) override {
        return false;
    }
    ns3::Ptr<ns3::Node> GetNode() const override { return node_; }
    void SetNode(ns3::Ptr<ns3::Node> node) override { node_ = node; }
    bool NeedsArp() const override { return false; }
    void SetReceiveCallback(ReceiveCallback) override {}
    void SetPromiscReceiveCallback(PromiscReceiveCallback) override {}
    bool SupportsSendFrom() const override { return false; }

   private:
    void DoDispose() override;

    [[nodiscard]] FramePtr take_headers(ns3::Packet& packet, std::uint8_t protocol) const;
    void finish_and_send(FramePtr frame, IpFields fields);
    void send_tcp(FramePtr frame, IpFields fields, SegmentPlan plan);
    void send_datagram(FramePtr frame, IpFields fields);
    void add_mss_option(Frame& frame) const;
    void learn_path_mtu(const Frame& icmp_error);
    void deliver(FramePtr frame);

    Engine* engine_ = nullptr;
    PodPort* port_ = nullptr;
    ns3::Ptr<ns3::Node> node_;
    ns3::Ptr<ns3::Ipv4L3Protocol> ipv4_;
    ns3::Ptr<ns3::Ipv4Interface> interface_;
    std::uint32_t index_ = 0;
    Ipv4Address address_;
    std::uint32_t mtu_ = 0;  ///< 0: not configured yet
    std::uint16_t next_ip_id_ = 1;
    std::uint32_t path_mtu_version_ = 0;
    FlatHash<std::uint32_t, std::uint32_t> path_mtus_;  ///< destination -> learned MTU
    FlatHash<std::uint32_t, std::uint32_t> flow_ids_;   ///< protocol and local port -> flow
    Reassembler reassembler_;
    SegmentPlan plan_;
};

}  // namespace overlab::sim
