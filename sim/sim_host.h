// SimHost: a host's network stack as Linux runs it: pods on a bridge, routes, neighbours, VXLAN,
// IPIP, IPsec policies and SAs, the UDP backend's proxy, local sockets, ICMP. Every decision is
// taken from ForwardingTables, the same ones that PacketWalk asks.
//
//   pods --veth-- cni0 --+-- route --+-- eth0 ------------------------------- link
//                        |           +-- flannel.1 (VXLAN) --> outer IP --> eth0
//                        |           +-- flannel.ipip --> outer IP --> eth0
//                        |           +-- flannel0 (TUN) --> proxy --> UDP --> eth0
//                        |           '-- policy --> SA --> ESP --> eth0
//                        '-- other pod of this host (bridged: no TTL, no route)
//
// CPU (docs/host-cpu-model.md): a sending flow's whole way down to the NIC runs on its application
// core; what arrives runs on the soft interrupt core that the *outer* flow hash picks, up to the
// pod's socket; the proxy is one process on one core. An aggregate is decided on once, then its
// cost is booked, then it goes on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/cost/flow_mix.h"
#include "models/forwarding/tables.h"
#include "sim/host_cpu.h"
#include "sim/host_socket.h"
#include "sim/ip_interface.h"
#include "sim/ip_packet.h"
#include "sim/nic_guard.h"
#include "sim/pod_port.h"

namespace overlab::sim {

/// Why a packet ended here. Order is load-bearing: index into counters.
enum class DropReason : std::uint8_t {
    no_route,
    neighbour_unresolved,
    fdb_miss,
    tunnel_peer_missing,
    sa_missing,
    mtu_exceeded,
    ttl_expired,
    no_listener,
    policy_mismatch,
    cpu_backlog,  ///< the core's queue was full (netdev_max_backlog)
    proxy_queue,  ///< the UDP proxy's TUN queue or socket buffer was full
    count
};
[[nodiscard]] std::string_view to_string(DropReason reason);

class SimHost final : public FrameSink, public HostSockets {
   public:
    struct Setup {
        std::string name;
        IpInterface::Identity external;
        std::optional<Ipv4Address> gateway;  ///< default route; without one: `default dev eth0`
        unsigned cores = 0;
        bool cpu_model = true;
    };

    SimHost(Engine& engine, const Setup& setup, LinkTransmitter& link, const CostProfile& costs);
    ~SimHost() override;

    // --- set-up ------------------------------------------------------------------------------
    /// A pod's interface; it stays silent until set_up_pods().
    PodPort& add_pod(PodEnd& end);
    /// CNI: the bridge gets the subnet's first address, the pods the following ones in the order
    /// they were added. Called again when the lease changes.
    void set_up_pods(Ipv4Prefix subnet, std::uint32_t mtu);
    [[nodiscard]] ForwardingTables& tables() { return tables_; }
    [[nodiscard]] const ForwardingTables& tables() const { return tables_; }
    [[nodiscard]] const IpInterface::Identity& external() const { return interface_.identity(); }
    [[nodiscard]] std::uint32_t external_mtu() const { return link_->mtu(); }
    [[nodiscard]] std::vector<Ipv4Address> pod_addresses() const;

    // --- faults (sim_faults.h) ---------------------------------------------------------------
    /// Everything in memory is gone: rows, SAs, foreign routes, neighbours, path MTUs, and the pods
    /// until set_up_pods(). The link is the caller's to cut; programs go by themselves.
    void power_off();
    /// Nothing runs in the pods.
    void set_pods_paused(bool paused);
    /// Judges what comes in by the NIC and what leaves by it; null: all may pass. Not owned.
    void set_guard(const NicGuard* guard) { guard_ = guard; }
    void set_address(Ipv4Address address);
    /// As an operator's `ip route replace`: in the place of an own row for that destination.
    /// Errors: invalid_argument (the gateway is not on the host's segment).
    [[nodiscard]] Result<void> add_foreign_route(Ipv4Prefix destination, Ipv4Address via);
    void remove_foreign_route(Ipv4Prefix destination);
    /// Packets that the guard stopped.
    [[nodiscard]] std::uint64_t guarded() const { return guarded_; }

    // --- FrameSink: nic_port, or a step resumed after CPU work --------------------------------
    static constexpr std::uint32_t nic_port = 0;
    void receive(FramePtr frame, std::uint32_t port) override;

    // --- HostSockets -------------------------------------------------------------------------
    [[nodiscard]] Ipv4Address address() const override { return external().address; }
    [[nodiscard]] const std::string& host_name() const override { return name_; }
    [[nodiscard]] HostCpu& cpu() override { return cpu_; }
    void bind(Transport transport, std::uint16_t port,
              std::function<void(FramePtr frame, Endpoint from)> handler) override;
    void send(FramePtr frame, Transport transport, Endpoint to) override;
    [[nodiscard]] std::uint32_t max_segment_bytes() const override;

    // --- results -----------------------------------------------------------------------------
    [[nodiscard]] std::uint64_t drops(DropReason reason) const {
        return drops_[static_cast<std::size_t>(reason)];
    }
    /// Bytes of pods' packets that left by the NIC not encrypted.
    [[nodiscard]] std::uint64_t clear_pod_bytes() const { return clear_pod_bytes_; }

   private:
    class Pod;

    enum Resume : std::uint32_t {
        from_nic = nic_port,
        to_underlay,
        to_socket,
        to_proxy_out,
        to_proxy_in,
        to_pod
    };

    /// CPU work collected for one frame, and where and when it will run.
    struct Work {
        std::int64_t cost_ns = 0;
        unsigned core = 0;
        std::int64_t ready_ns = 0;
        bool admitted = false;  ///< already let into the core's queue
    };
    enum class Origin : std::uint8_t {
        pod,       ///< entered by the bridge
        underlay,  ///< came in by the NIC, decapsulated or not: policies are checked
        esp,       ///< came out of an SA
        host,      ///< made by this host itself
    };

    // sim_host.cc
    void drop(DropReason reason, const Frame& frame);
    void drop_reporting(DropReason reason, IcmpReason icmp, const Frame& frame,
                        std::uint32_t mtu = 0, std::optional<Ipv4Address> reporter = std::nullopt);
    [[nodiscard]] Ipv4Address speaking_address(Ipv4Address towards) const;
    void charge(Work& work, CostStage stage, const Frame& frame);
    void finish(FramePtr frame, Work work, std::uint32_t resume);
    [[nodiscard]] bool admit(const Frame& frame, const Work& work);
    [[nodiscard]] FramePtr admit_to_proxy(FramePtr frame, CostStage stage, std::uint32_t limit);
    [[nodiscard]] unsigned proxy_core() const;
    void deliver_to_socket(FramePtr frame);
    void learn_path_mtu(const Frame& icmp);
    [[nodiscard]] std::uint32_t path_mtu(Ipv4Address destination) const;
    Pod* find_pod(Ipv4Address address);
    [[nodiscard]] static constexpr std::uint32_t socket_key(Transport transport,
                                                            std::uint16_t port) {
        return static_cast<std::uint32_t>(transport) << 16 | port;
    }

    // host_forward.cc: decide and encapsulate
    void forward(FramePtr packet, Work work, Origin origin);
    void forward_pieces(FramePtr packet, Work work, Origin origin, std::uint32_t pieces);
    void to_bridge(FramePtr packet, Work work, const RouteMatch& match);
    void deliver_to_pod(FramePtr packet, Work work, Pod& pod);
    void into_vxlan(FramePtr packet, Work work, const RouteMatch& match);
    void into_ipip(FramePtr packet, Work work, const RouteMatch& match);
    void into_tun(FramePtr packet, Work work, LinkIndex link);
    void proxy_out(FramePtr packet);
    void into_esp(FramePtr packet, Work work, const PolicyEntry& policy);
    void to_ethernet(FramePtr packet, Work work);
    void push_outer(Frame& packet, IpFields fields, Encapsulation encapsulation);
    void push_esp(Frame& packet, const SaEntry& sa);
    void output(FramePtr packet);
    [[nodiscard]] bool policy_admits(const Frame& packet, Origin origin) const;
    void send_by(const RouteMatch& match, FramePtr packet, Work work);
    template <typename Again>
    [[nodiscard]] bool fits(FramePtr& packet, std::uint32_t mtu, Again again);

    // host_receive.cc: what came in by the NIC
    void receive_packet(FramePtr packet);
    void receive_local(FramePtr packet, Work work);
    void receive_udp(FramePtr packet, Work work);
    [[nodiscard]] LinkIndex tunnel_on_port(std::uint16_t port) const;
    void receive_vxlan(FramePtr packet, Work work, LinkIndex device);
    void receive_ipip(FramePtr packet, Work work);
    void receive_esp(FramePtr packet, Work work, std::uint32_t outer_bytes);
    void proxy_in(FramePtr packet);

    Engine* engine_;
    std::string name_;
    LinkTransmitter* link_;
    HostCpu cpu_;
    ForwardingTables tables_;
    LinkIndex external_link_ = no_link;
    IpInterface interface_;
    std::vector<std::unique_ptr<Pod>> pods_;
    FlatHash<std::uint32_t, std::uint32_t> pod_by_address_;
    Ipv4Prefix pod_subnet_;
    LinkIndex bridge_ = no_link;
    FlatHash<std::uint32_t, std::uint32_t> path_mtus_;
    FlatHash<std::uint32_t, std::uint32_t> esp_sequence_;  ///< by outbound SPI
    Reassembler reassembler_;
    const NicGuard* guard_ = nullptr;
    std::uint64_t guarded_ = 0;
    std::vector<Ipv4Prefix> foreign_routes_;
    std::map<Ipv4Address, FlowMix> tunnel_mix_;  ///< flows in the ESP tunnel from a peer
    std::optional<unsigned> delivering_core_;    ///< while a pod takes a packet
    std::map<std::uint32_t, std::function<void(FramePtr, Endpoint)>> sockets_;
    std::uint16_t next_ip_id_ = 1;
    std::array<std::uint64_t, static_cast<std::size_t>(DropReason::count)> drops_{};
    std::uint64_t clear_pod_bytes_ = 0;
};

}  // namespace overlab::sim
