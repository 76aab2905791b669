#include "tests/bench/peer_stock.h"

#include <ns3/header.h>
#include <ns3/inet-socket-address.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-address-helper.h>
#include <ns3/ipv4-header.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4.h>
#include <ns3/node-container.h>
#include <ns3/point-to-point-helper.h>
#include <ns3/simulator.h>
#include <ns3/string.h>
#include <ns3/udp-socket-factory.h>
#include <ns3/uinteger.h>
#include <ns3/virtual-net-device.h>

#include <functional>
#include <map>
#include <vector>

#include "models/base/check.h"

namespace overlab::bench {
namespace {

constexpr std::uint16_t vxlan_port = 4789, pod_port = 9000;
constexpr std::uint32_t max_hosts = 4096;

ns3::Ipv4Address pod_net(std::uint32_t host) { return ns3::Ipv4Address(0x0af40000 + host * 8); }
ns3::Ipv4Address pod_address(std::uint32_t host) { return ns3::Ipv4Address(0x0af40002 + host * 8); }
ns3::Ipv4Address host_net(std::uint32_t host) { return ns3::Ipv4Address(0x0a000000 + host * 4); }
ns3::Ipv4Address host_address(std::uint32_t host) {
    return ns3::Ipv4Address(0x0a000002 + host * 4);
}

/// VXLAN and inner Ethernet: 22 bytes that nobody looks at here.
class TunnelHeader final : public ns3::Header {
   public:
    static ns3::TypeId GetTypeId() {
        static const ns3::TypeId id = ns3::TypeId("overlab::bench::TunnelHeader")
                                          .SetParent<ns3::Header>()
                                          .AddConstructor<TunnelHeader>();
        return id;
    }
    ns3::TypeId GetInstanceTypeId() const override { return GetTypeId(); }
    std::uint32_t GetSerializedSize() const override { return 22; }
    void Serialize(ns3::Buffer::Iterator at) const override { at.WriteU8(0, 22); }
    std::uint32_t Deserialize(ns3::Buffer::Iterator) override { return 22; }
    void Print(std::ostream&) const override {}
};

/// One host's end of the tunnel.
class Tunnel {
   public:
    Tunnel(ns3::Ptr<ns3::Node> node, std::uint32_t host, std::uint32_t hosts) {
        for (std::uint32_t peer = 0; peer < hosts; ++peer) {
            if (peer != host) peers_[pod_net(peer)] = host_address(peer);
        }
        device_ = ns3::CreateObject<ns3::VirtualNetDevice>();
        device_->SetAddress(ns3::Mac48Address::Allocate());
        device_->SetMtu(1450);
        device_->SetSendCallback(ns3::MakeCallback(&Tunnel::send, this));
        node->AddDevice(device_);
        socket_ = ns3::Socket::CreateSocket(node, ns3::UdpSocketFactory::GetTypeId());
        CHECK(socket_->Bind(ns3::InetSocketAddress(vxlan_port)) == 0);
        socket_->SetRecvCallback(ns3::MakeCallback(&Tunnel::receive, this));
    }
    [[nodiscard]] ns3::Ptr<ns3::VirtualNetDevice> device() const { return device_; }

   private:
    bool send(ns3::Ptr<ns3::Packet> packet, const ns3::Address&, const ns3::Address&,
              std::uint16_t) {
        ns3::Ipv4Header inner;
        packet->PeekHeader(inner);
        const auto peer = peers_.find(inner.GetDestination().CombineMask(ns3::Ipv4Mask("/29")));
        if (peer == peers_.end()) return false;
        packet->AddHeader(TunnelHeader());
        return socket_->SendTo(packet, 0, ns3::InetSocketAddress(peer->second, vxlan_port)) >= 0;
    }
    void receive(ns3::Ptr<ns3::Socket> socket) {
        ns3::Address from;
        while (ns3::Ptr<ns3::Packet> packet = socket->RecvFrom(from)) {
            TunnelHeader header;
            packet->RemoveHeader(header);
            device_->Receive(packet, 0x0800, device_->GetAddress(), device_->GetAddress(),
                             ns3::NetDevice::PACKET_HOST);
        }
    }

    std::map<ns3::Ipv4Address, ns3::Ipv4Address> peers_;  ///< pod network to host
    ns3::Ptr<ns3::VirtualNetDevice> device_;
    ns3::Ptr<ns3::Socket> socket_;
};

}  // namespace

class StockPeer::Impl {
   public:
    explicit Impl(const PeerOptions& options) : options_(options) {
        CHECK(options.hosts >= 2 && options.hosts <= max_hosts);
        tor_.Create(1);
        hosts_.Create(options.hosts);
        pods_.Create(options.hosts);
        ns3::InternetStackHelper stack;
        stack.SetIpv6StackInstall(false);
        stack.Install(tor_);
        stack.Install(hosts_);
        stack.Install(pods_);
        for (std::uint32_t host = 0; host < options.hosts; ++host) connect(host);
        for (std::uint32_t host = 0; host < options.hosts; ++host) add_tunnel(host);
        for (std::uint32_t host = 0; host < options.hosts; ++host) add_traffic(host);
    }
    ~Impl() { ns3::Simulator::Destroy(); }

    void run() { ns3::Simulator::Run(); }
    [[nodiscard]] std::uint64_t received() const { return received_; }

   private:
    struct Sender {
        ns3::Ptr<ns3::Socket> socket;
        std::uint32_t left;
    };

    void connect(std::uint32_t host) {
        ns3::PointToPointHelper link;
        link.SetDeviceAttribute("DataRate", ns3::StringValue("10Gbps"));
        link.SetChannelAttribute("Delay", ns3::StringValue("1us"));
        ns3::Ipv4AddressHelper addresses;
        addresses.SetBase(host_net(host), ns3::Ipv4Mask("/30"));
        const ns3::NetDeviceContainer up = link.Install(tor_.Get(0), hosts_.Get(host));
        addresses.Assign(up);
        addresses.SetBase(pod_net(host), ns3::Ipv4Mask("/29"));
        const ns3::NetDeviceContainer down = link.Install(hosts_.Get(host), pods_.Get(host));
        addresses.Assign(down);
        const ns3::Ipv4Address gateway(host_net(host).Get() + 1);
        routing(hosts_.Get(host))->SetDefaultRoute(gateway, 1);
        routing(pods_.Get(host))->SetDefaultRoute(ns3::Ipv4Address(pod_net(host).Get() + 1), 1);
    }
    void add_tunnel(std::uint32_t host) {
        const ns3::Ptr<ns3::Node> node = hosts_.Get(host);
        tunnels_.push_back(std::make_unique<Tunnel>(node, host, options_.hosts));
        const auto ipv4 = node->GetObject<ns3::Ipv4>();
        const std::uint32_t interface = ipv4->AddInterface(tunnels_.back()->device());
        ipv4->AddAddress(interface, {pod_net(host), ns3::Ipv4Mask("/32")});
        ipv4->SetUp(interface);
        for (std::uint32_t peer = 0; peer < options_.hosts; ++peer) {
            if (peer == host) continue;
            routing(node)->AddNetworkRouteTo(pod_net(peer), ns3::Ipv4Mask("/29"), interface);
        }
    }
    void add_traffic(std::uint32_t host) {
        const auto sink =
            ns3::Socket::CreateSocket(pods_.Get(host), ns3::UdpSocketFactory::GetTypeId());
        CHECK(sink->Bind(ns3::InetSocketAddress(pod_port)) == 0);
        sink->SetRecvCallback(ns3::MakeCallback(&Impl::receive, this));
        sinks_.push_back(sink);
        const auto source =
            ns3::Socket::CreateSocket(pods_.Get(host), ns3::UdpSocketFactory::GetTypeId());
        // Far from each other, and a permutation: every pod receives one flow.
        const std::uint32_t to = (host + options_.hosts / 2) % options_.hosts;
        CHECK(source->Connect(ns3::InetSocketAddress(pod_address(to), pod_port)) == 0);
        senders_.push_back({source, options_.packets_per_pod});
        // Not all at the same instant.
        const std::int64_t offset = options_.interval_ns * host / options_.hosts;
        ns3::Simulator::ScheduleWithContext(pods_.Get(host)->GetId(), ns3::NanoSeconds(offset),
                                            &Impl::send, this, host);
    }
    void send(std::uint32_t pod) {
        Sender& sender = senders_[pod];
        sender.socket->Send(ns3::Create<ns3::Packet>(options_.payload_bytes));
        if (--sender.left == 0) return;
        ns3::Simulator::Schedule(ns3::NanoSeconds(options_.interval_ns), &Impl::send, this, pod);
    }
    void receive(ns3::Ptr<ns3::Socket> socket) {
        while (socket->Recv()) ++received_;
    }
    static ns3::Ptr<ns3::Ipv4StaticRouting> routing(ns3::Ptr<ns3::Node> node) {
        return ns3::Ipv4StaticRoutingHelper().GetStaticRouting(node->GetObject<ns3::Ipv4>());
    }

    PeerOptions options_;
    ns3::NodeContainer tor_, hosts_, pods_;
    std::vector<std::unique_ptr<Tunnel>> tunnels_;
    std::vector<ns3::Ptr<ns3::Socket>> sinks_;
    std::vector<Sender> senders_;
    std::uint64_t received_ = 0;
};

StockPeer::StockPeer(const PeerOptions& options) : impl_(std::make_unique<Impl>(options)) {}
StockPeer::~StockPeer() = default;
void StockPeer::run() { impl_->run(); }
std::uint64_t StockPeer::packets_received() const { return impl_->received(); }

}  // namespace overlab::bench
