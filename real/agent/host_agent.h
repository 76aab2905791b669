// HostAgent: overlab's agent on one Linux host: the kernel's stack, the udp proxy, the store
// client, strongSwan where the backend wants it, and the OverlayNode that joins them. The same
// OverlayNode as in the simulation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "models/node/overlay_node.h"
#include "models/store/kv_lease_store.h"
#include "real/agent/agent_message.h"
#include "real/base/event_loop.h"
#include "real/ike/charon.h"
#include "real/ike/ike_watchdog.h"
#include "real/ike/strongswan_daemon.h"
#include "real/netlink/netlink_stack.h"
#include "real/store/etcd_kv_store.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::real {

struct AgentOptions {
    HostFacts facts;
    NodeOptions node;
    KvLeaseStoreOptions leases;
    EtcdOptions etcd;
    UdpTunnelOptions tunnel;
    NetlinkStackOptions netlink;
    bool with_ike = false;         ///< run a charon: the backend is ipsec
    std::filesystem::path folder;  ///< of this agent: exists, mode 0700
};

class HostAgent final : private NodeObserver {
   public:
    using Tell = std::function<void(const AgentMessage&)>;

    /// Acts in the calling thread's namespace. `loop` must outlive the agent. Errors: those of its
    /// parts; nothing is left behind then.
    [[nodiscard]] static Result<std::unique_ptr<HostAgent>> create(EventLoop& loop,
                                                                   const AgentOptions& options,
                                                                   Tell tell);
    ~HostAgent() override;

    void start() { node_->start(); }
    [[nodiscard]] const OverlayNode& node() const { return *node_; }
    [[nodiscard]] AgentStatus status();

   private:
    HostAgent(EventLoop& loop, Tell tell);
    [[nodiscard]] Result<void> assemble(const AgentOptions& options);

    // NodeObserver
    void lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) override;
    void rows_applied(std::size_t installed, std::size_t withdrawn, std::size_t failed) override;
    void remark(const std::string& what) override;

    EventLoop& loop_;
    Tell tell_;
    LeaseDecoder decoder_;
    std::unique_ptr<UdpTunnel> tunnel_;
    std::unique_ptr<NetlinkStack> stack_;
    std::unique_ptr<EtcdKvStore> kv_;
    std::unique_ptr<KvLeaseStore> leases_;
    std::optional<Charon> charon_;
    std::unique_ptr<StrongswanDaemon> strongswan_;
    std::unique_ptr<IkeWatchdog> ike_;
    std::unique_ptr<OverlayNode> node_;
    std::optional<Instant> lease_acquired_;
    Instant last_change_;
};

}  // namespace overlab::real
