// ControlCluster: hosts, store and underlay of the control world, and what can be done to them.
// control_faults.h puts faults into these words; the invariants look at it as MonitoredCluster.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/control/control_agent.h"
#include "models/control/control_host.h"
#include "models/control/control_underlay.h"
#include "models/control/ike_mesh.h"
#include "models/control/lean_runtime.h"
#include "models/fault/host_clock.h"
#include "models/invariant/invariant_monitor.h"
#include "models/scenario/scenario.h"
#include "models/store/lease_decoder.h"
#include "models/store/local_kv_store.h"

namespace overlab {

/// Hears of what happens, as it happens. Hosts are numbered as in ControlCluster.
class ControlListener {
   public:
    virtual ~ControlListener() = default;
    virtual void store_changed() {}
    virtual void store_replaced() {}
    virtual void agent_started(std::size_t /*host*/) {}
    virtual void agent_stopped(std::size_t /*host*/) {}
    virtual void node_changed(std::size_t /*host*/) {}
    /// The agent's own changes and everybody else's; counts are 0 where it is not the agent.
    virtual void rows_changed(std::size_t /*host*/, std::size_t /*installed*/,
                              std::size_t /*withdrawn*/, std::size_t /*failed*/) {}
    virtual void underlay_changed() {}
    virtual void remark(std::size_t /*host*/, const std::string& /*what*/) {}
};

class ControlCluster final : public MonitoredCluster {
   public:
    /// The scenario must outlive the cluster. Nothing runs before boot(). Errors: those of the
    /// underlay.
    [[nodiscard]] static Result<std::unique_ptr<ControlCluster>> build(const Scenario& scenario,
                                                                       std::uint64_t seed);
    ~ControlCluster() override;
    ControlCluster(const ControlCluster&) = delete;
    ControlCluster& operator=(const ControlCluster&) = delete;

    /// Writes the configuration; agents will start at their seeded instants. Once.
    void boot(ControlListener& listener);

    [[nodiscard]] LeanRuntime& runtime() { return runtime_; }
    [[nodiscard]] LocalKvServer& server() { return server_; }
    [[nodiscard]] ControlUnderlay& underlay() { return underlay_; }
    [[nodiscard]] const ControlUnderlay& underlay() const { return underlay_; }
    [[nodiscard]] const ControlHost& host(std::size_t host) const;
    [[nodiscard]] ControlHost& host(std::size_t host);
    [[nodiscard]] const ControlAgent* agent(std::size_t host) const;  ///< null: none runs
    [[nodiscard]] std::optional<std::size_t> host_of_node(NodeIndex node) const;
    [[nodiscard]] std::uint64_t store_calls() const;
    [[nodiscard]] std::optional<Instant> lease_acquired(std::size_t host) const;
    [[nodiscard]] Instant last_change(std::size_t host) const;
    [[nodiscard]] const std::optional<LeaseSubnet>& last_subnet(std::size_t host) const;

    // What happens to hosts. Repeating what is so already is harmless.
    void start_agent(std::size_t host);
    void kill_agent(std::size_t host);
    void power_off(NodeIndex node);
    void power_on(NodeIndex node);
    void pause(NodeIndex node);
    void resume(NodeIndex node);
    [[nodiscard]] HostClock& clock(std::size_t host);
    void kill_ike(std::size_t host);
    void start_ike(std::size_t host);
    void set_address(std::size_t host, Ipv4Address address);
    void set_store_reachable(NodeIndex node, bool reachable);
    void restore_store(const MvccStore& held);
    void write_configuration();
    /// `key` in full; without an etcd lease.
    void write_store(const std::string& key, const std::string& value);
    /// Call after anything that decides who reaches whom.
    void reachability_changed();
    /// Call after somebody else than the agent changed the host's rows.
    void rows_meddled(std::size_t host);

    // MonitoredCluster.
    [[nodiscard]] std::size_t host_count() const override { return slots_.size(); }
    [[nodiscard]] MonitoredHost monitored(std::size_t host) const override;
    [[nodiscard]] const MvccStore& store() const override { return server_.store(); }
    [[nodiscard]] Reach true_reach(std::size_t host, Ipv4Address address) const override;
    [[nodiscard]] PacketWalk packet_walk() const override;
    [[nodiscard]] std::vector<Ipv4Address> pods(std::size_t host) const override;

   private:
    struct Slot;

    ControlCluster(const Scenario& scenario, std::uint64_t seed, ControlUnderlay underlay);
    void add_hosts();
    [[nodiscard]] bool reaches_store(NodeIndex node) const;
    void start_if_wanted(Slot& slot);
    void stop_agent(Slot& slot);
    void refresh_answers(NodeIndex node);

    const Scenario* scenario_;
    std::uint64_t seed_;
    LeanRuntime runtime_;
    ControlUnderlay underlay_;
    LocalKvServer server_;
    LeaseDecoder decoder_;
    IkeMesh ike_;
    ControlAgentSetup agent_setup_;
    std::vector<std::unique_ptr<Slot>> slots_;  ///< ascending by name
    std::vector<std::size_t> slot_of_node_;
    struct NodeStanding {
        bool powered = true, paused = false, store_reachable = true;
    };
    std::vector<NodeStanding> standings_;  ///< by underlay node
    ControlListener* listener_ = nullptr;
};

}  // namespace overlab
