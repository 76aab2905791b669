#include "sim/pod.h"

#include <ns3/icmpv4-l4-protocol.h>
#include <ns3/ipv4-l3-protocol.h>
#include <ns3/output-stream-wrapper.h>
#include <ns3/rtt-estimator.h>
#include <ns3/tcp-l4-protocol.h>
#include <ns3/traffic-control-layer.h>
#include <ns3/udp-l4-protocol.h>
#include <ns3/udp-socket.h>
#include <ns3/uinteger.h>

#include <utility>

#include "sim/pod_routing.h"
#include "sim/tcp_cubic.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t udp_receive_buffer = 212'992;  // net.core.rmem_default

}  // namespace

Pod::Pod(Engine& engine, std::string name, const PodTcpOptions& tcp)
    : engine_(&engine), name_(std::move(name)), tcp_(tcp) {
    build_stack();
}

Pod::~Pod() = default;

void Pod::build_stack() {
    node_ = ns3::CreateObject<ns3::Node>();
    device_ = ns3::CreateObject<PodDevice>();
    routing_ = ns3::CreateObject<PodRouting>();

    // Ipv4L3Protocol::AddInterface insists on a traffic control layer; no packet passes through it.
    node_->AggregateObject(ns3::CreateObject<ns3::TrafficControlLayer>());
    const auto ipv4 = ns3::CreateObject<ns3::Ipv4L3Protocol>();
    node_->AggregateObject(ipv4);
    ipv4->SetRoutingProtocol(routing_);

    const auto send = ns3::MakeCallback(&PodDevice::send_packet, ns3::PeekPointer(device_));
    const auto add = [&](const auto& protocol) {
        node_->AggregateObject(protocol);
        protocol->SetDownTarget(send);  // aggregation has set Ipv4::Send
    };
    add(ns3::CreateObject<ns3::Icmpv4L4Protocol>());
    add(ns3::CreateObject<ns3::UdpL4Protocol>());
    add(ns3::CreateObject<ns3::TcpL4Protocol>());

    node_->AddDevice(device_);
    interface_ = ipv4->AddInterface(device_);
    ipv4->SetUp(interface_);
    device_->set_up(*engine_, ipv4, ipv4->GetInterface(interface_));
}

void Pod::connect(PodPort& port) { device_->connect(port); }

void Pod::from_host(FramePtr frame) { device_->from_host(std::move(frame)); }

void Pod::configured(Ipv4Address address, Ipv4Prefix subnet, Ipv4Address gateway,
                     std::uint32_t mtu) {
    const bool restarted = std::exchange(lost_power_, false);
    const bool readdressed = !last_address_.is_unspecified() && address != last_address_;
    last_address_ = address;
    const auto ipv4 = node_->GetObject<ns3::Ipv4L3Protocol>();
    while (ipv4->GetNAddresses(interface_) > 0) ipv4->RemoveAddress(interface_, std::uint32_t{0});
    ipv4->AddAddress(interface_, ns3::Ipv4InterfaceAddress(ns3::Ipv4Address(address.bits),
                                                           ns3::Ipv4Mask(subnet.mask())));
    routing_->set_default(address, gateway, device_);
    device_->configure(address, mtu);
    if (restarted) {
        for (const auto& action : on_restarted_) action();
    }
    if (readdressed) {
        for (const auto& action : on_readdressed_) action();
    }
}

void Pod::powered_off() {
    device_->forget_all();
    paused_ = false;
    lost_power_ = true;
    for (const auto& action : on_powered_off_) action();
}

void Pod::on_powered_off(std::function<void()> action) {
    on_powered_off_.push_back(std::move(action));
}

void Pod::on_restarted(std::function<void()> action) { on_restarted_.push_back(std::move(action)); }

void Pod::on_readdressed(std::function<void()> action) {
    on_readdressed_.push_back(std::move(action));
}

ns3::Ptr<PodTcpSocket> Pod::new_tcp_socket() {
    auto socket = ns3::CreateObject<PodTcpSocket>();
    socket->SetNode(node_);
    socket->SetTcp(node_->GetObject<ns3::TcpL4Protocol>());
    socket->SetRtt(ns3::CreateObject<ns3::RttMeanDeviation>());
    socket->SetCongestionControlAlgorithm(ns3::CreateObject<TcpCubicMss>());
    socket->set_up(device_, tcp_);
    return socket;
}

ns3::Ptr<ns3::Socket> Pod::new_udp_socket() {
    auto socket = node_->GetObject<ns3::UdpL4Protocol>()->CreateSocket();
    socket->SetAttribute("RcvBufSize", ns3::UintegerValue(udp_receive_buffer));
    return socket;
}

}  // namespace overlab::sim
