// OverlayNode: one host's agent. It gets the configuration and a lease, publishes what its backend
// needs, watches the peers and keeps the host's forwarding state equal to the plan.
// Single-threaded, driven by Runtime and the ports; the very same code runs in every world.
//
//   waiting_for_config -> acquiring -> running -+-> (lease lost) -> acquiring
//                                               '-> stopped
// Level-triggered: rows are compared with what the host holds; nothing is replayed, there is no
// undo.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/backends/backend.h"
#include "models/backends/filter_plan.h"
#include "models/base/rng.h"
#include "models/ports/host_stack.h"
#include "models/ports/ike_daemon.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"

namespace overlab {

enum class NodeState : std::uint8_t { waiting_for_config, acquiring, running, stopped };
[[nodiscard]] std::string_view to_string(NodeState state);

struct NodeOptions {
    std::uint64_t seed = 1;
    Duration renew_margin = minutes(60);  ///< renew this long before expiry (at most half the TTL)
    Duration audit_interval = seconds(30);  ///< compare dump and plan; 0 switches it off
    Duration config_poll = seconds(1);
    FilterOptions filter;                    ///< rules of the packet filter; none unless asked for
    Duration retry_min = milliseconds(100);  ///< failed rows: first retry, doubling ...
    Duration retry_max = seconds(30);        ///< ... up to this
    std::optional<LeaseSubnet> previous_subnet;  ///< what subnet.env said, if it survived
};

/// What happens, for results and tests. Called inside the node's own callbacks; must not re-enter
/// it.
class NodeObserver {
   public:
    virtual ~NodeObserver() = default;
    virtual void state_changed(NodeState) {}
    virtual void lease_acquired(const HeldLease&, std::uint32_t /*overlay_mtu*/) {}
    virtual void rows_applied(std::size_t /*installed*/, std::size_t /*withdrawn*/,
                              std::size_t /*failed*/) {}
    /// Something a person should know: `peer 10.244.3.0/24: host-gw: peer behind a router`.
    virtual void remark(const std::string&) {}
};

class OverlayNode {
   public:
    /// References must outlive the node. `ike` may be null when the world has none (then ipsec
    /// plans fail with a remark). Does nothing until start().
    OverlayNode(Runtime& runtime, HostStack& stack, LeaseStore& leases, IkeDaemon* ike,
                NodeObserver& observer, NodeOptions options);
    ~OverlayNode();
    OverlayNode(const OverlayNode&) = delete;
    OverlayNode& operator=(const OverlayNode&) = delete;

    void start();
    /// Stops acting. Rows and lease stay, as a killed agent leaves them.
    void stop();

    [[nodiscard]] NodeState state() const;
    [[nodiscard]] const std::optional<HeldLease>& held() const;
    [[nodiscard]] std::uint32_t overlay_mtu() const;
    [[nodiscard]] std::size_t peer_count() const;
    /// True when every planned row is installed and no retry is pending.
    [[nodiscard]] bool converged() const;

    /// The plan from scratch for all current leases: what dump() must equal once converged.
    [[nodiscard]] ForwardingState plan_all() const;
    /// Peers without rows, with the reason, ordered by subnet.
    [[nodiscard]] std::vector<std::pair<LeaseSubnet, std::string>> unsupported_peers() const;

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab
