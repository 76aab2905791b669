// PodRouting: a pod's routing table is one default route. ns-3's Ipv4StaticRouting would allocate
// an Ipv4Route for every packet; here one is shared by all.
#pragma once

#include <ns3/ipv4-route.h>
#include <ns3/ipv4-routing-protocol.h>

#include "models/net/address.h"
#include "sim/pod_device.h"

namespace overlab::sim {

class PodRouting final : public ns3::Ipv4RoutingProtocol {
   public:
    void set_default(Ipv4Address source, Ipv4Address gateway, ns3::Ptr<PodDevice> device) {
        route_ = ns3::Create<ns3::Ipv4Route>();
        route_->SetDestination(ns3::Ipv4Address::GetAny());
        route_->SetSource(ns3::Ipv4Address(source.bits));
        route_->SetGateway(ns3::Ipv4Address(gateway.bits));
        route_->SetOutputDevice(device);
    }

    ns3::Ptr<ns3::Ipv4Route> RouteOutput(ns3::Ptr<ns3::Packet>, const ns3::Ipv4Header&,
                                         ns3::Ptr<ns3::NetDevice>,
                                         ns3::Socket::SocketErrno& error) override {
        error = route_ == nullptr ? ns3::Socket::ERROR_NOROUTETOHOST : ns3::Socket::ERROR_NOTERROR;
        return route_;
    }
    /// Never asked: PodDevice hands packets to the transport protocols itself, and pods do not
    /// forward.
    // NOLINTNEXTLINE(readability-function-size): ns-3's signature.
    bool RouteInput(ns3::Ptr<const ns3::Packet>, const ns3::Ipv4Header&,
                    ns3::Ptr<const ns3::NetDevice>, UnicastForwardCallback,
                    MulticastForwardCallback, LocalDeliverCallback, ErrorCallback) override {
        return false;
    }
    void NotifyInterfaceUp(std::uint32_t) override {}
    void NotifyInterfaceDown(std::uint32_t) override {}
    void NotifyAddAddress(std::uint32_t, ns3::Ipv4InterfaceAddress) override {}
    void NotifyRemoveAddress(std::uint32_t, ns3::Ipv4InterfaceAddress) override {}
    void SetIpv4(ns3::Ptr<ns3::Ipv4>) override {}
    void PrintRoutingTable(ns3::Ptr<ns3::OutputStreamWrapper>, ns3::Time::Unit) const override {}

   private:
    void DoDispose() override {
        route_ = nullptr;  // holds the device, which holds the node
        ns3::Ipv4RoutingProtocol::DoDispose();
    }

    ns3::Ptr<ns3::Ipv4Route> route_;
};

}  // namespace overlab::sim
