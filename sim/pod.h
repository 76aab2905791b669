// Pod: a network namespace with one interface: an ns3::Node with ns-3's TCP, UDP and ICMP, the
// PodDevice, and one default route. It starts without an address; CNI (the host) configures it, and
// may do so again with another address or MTU when the host's lease changed. When the host loses
// its power the pod's sockets are gone; a supervisor starts its programs again when it is back.
#pragma once

#include <ns3/ipv4-routing-protocol.h>
#include <ns3/node.h>
#include <ns3/socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/pod_device.h"
#include "sim/pod_port.h"
#include "sim/pod_tcp_socket.h"

namespace overlab::sim {

class PodRouting;

class Pod final : public PodEnd {
   public:
    Pod(Engine& engine, std::string name, const PodTcpOptions& tcp);
    ~Pod();
    Pod(const Pod&) = delete;
    Pod& operator=(const Pod&) = delete;

    /// The host's end of the interface. Once, before configured().
    void connect(PodPort& port);

    // PodEnd
    void from_host(FramePtr frame) override;
    void configured(Ipv4Address address, Ipv4Prefix subnet, Ipv4Address gateway,
                    std::uint32_t mtu) override;
    void powered_off() override;
    void set_paused(bool paused) override { paused_ = paused; }

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] Engine& engine() const { return *engine_; }
    [[nodiscard]] HostCpu& cpu() { return device_->port().cpu(); }
    [[nodiscard]] PodDevice& device() { return *device_; }
    [[nodiscard]] bool is_configured() const { return device_->mtu() != 0; }
    [[nodiscard]] Ipv4Address address() const { return device_->address(); }
    /// Programs in it get a turn: it is set up and its host does not stand still.
    [[nodiscard]] bool runs() const { return is_configured() && !paused_; }

    /// Runs after every configured() that changed the address, not the first. In the order added.
    void on_readdressed(std::function<void()> action);
    /// Run at each power failure, and when the pod is set up again after one, before those of
    /// on_readdressed() if its address is another. In the order added.
    void on_powered_off(std::function<void()> action);
    void on_restarted(std::function<void()> action);

    [[nodiscard]] ns3::Ptr<PodTcpSocket> new_tcp_socket();
    [[nodiscard]] ns3::Ptr<ns3::Socket> new_udp_socket();

   private:
    void build_stack();

    Engine* engine_;
    std::string name_;
    PodTcpOptions tcp_;
    ns3::Ptr<ns3::Node> node_;
    ns3::Ptr<PodDevice> device_;
    ns3::Ptr<PodRouting> routing_;
    std::uint32_t interface_ = 0;  ///< the device's number in ns-3's IPv4
    bool paused_ = false;
    bool lost_power_ = false;  ///< and has not been set up since
    Ipv4Address last_address_;
    std::vector<std::function<void()>> on_readdressed_, on_powered_off_, on_restarted_;
};

}  // namespace overlab::sim
