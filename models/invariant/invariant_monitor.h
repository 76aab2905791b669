// InvariantMonitor: watches a cluster while it runs and says what must never be and was. Used by
// every virtual-time world; it looks only at what the ports and the store show, never at how a node
// came to it, and plans from the store anew instead of asking the node.
//
//   store:   lease_overlap      no two live leases overlap
//            stale_owner        a live lease's record is never replaced by another owner's
//            lease_leaked       no lease outlives its time to live without an owner who keeps it
//   nodes:   belief_overlap     no two nodes believe they own overlapping subnets for longer than
//                               `belief_window` while both can reach the store
//            subnet_kept        an agent that starts again gets the subnet of its lease that lives
//   healed:  converged          `bound` after the last fault healed every host's dump is the plan
//                               made from the store, and every host that should have a lease has
//                               one
//            delivered          ... and a packet between any two pods of planned peers is delivered
//   always:  forwarding_loop    no packet goes round
//            spi_unique         no two SAs towards one destination share an SPI
//   packets: conservation, oversized, clear_pod_bytes (reported by the world, see add())
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/backends/filter_plan.h"
#include "models/fault/fault_player.h"
#include "models/forwarding/packet_walk.h"
#include "models/forwarding/tables.h"
#include "models/measure/run_report.h"
#include "models/node/overlay_node.h"
#include "models/ports/runtime.h"
#include "models/scenario/scenario.h"
#include "models/store/mvcc_store.h"

namespace overlab {

struct MonitoredHost {
    std::size_t underlay_node = 0;  ///< index into Underlay::nodes
    Ipv4Address address;            ///< as it is now
    bool powered = true;
    bool reaches_store = true;          ///< nothing that the scenario broke keeps it from the store
    const OverlayNode* node = nullptr;  ///< null: no agent
    const ForwardingTables* tables = nullptr;
    std::optional<HostFacts> facts;  ///< what its stack says of itself
};

/// What a world shows to the monitor. Hosts that run nodes, ascending by name.
class MonitoredCluster {
   public:
    virtual ~MonitoredCluster() = default;
    [[nodiscard]] virtual std::size_t host_count() const = 0;
    [[nodiscard]] virtual MonitoredHost monitored(std::size_t host) const = 0;
    [[nodiscard]] virtual const MvccStore& store() const = 0;
    /// Is `address` on the segment of `host`, as the underlay is now (not as a stack says)?
    [[nodiscard]] virtual Reach true_reach(std::size_t host, Ipv4Address address) const = 0;
    /// A packet walk over the tables as they are now, hosts in this order; each host's pods are
    /// those that it has set up.
    [[nodiscard]] virtual PacketWalk packet_walk() const = 0;
    /// Pods of one host, as they are set up now.
    [[nodiscard]] virtual std::vector<Ipv4Address> pods(std::size_t host) const = 0;
};

struct InvariantOptions {
    Duration belief_window = seconds(15);
    /// After the last fault healed. Default: chosen from the scenario, see converge_bound().
    std::optional<Duration> bound;
    /// Pairs walked at a check; drawn from the seed if there are more.
    std::size_t most_pairs = 400;
    FilterOptions filter;  ///< what the world's nodes were told; see NodeOptions
};

/// How long a healed cluster may take: an audit, a store client's longest back-off, an election,
/// the lease keeper's longest pause, and under ipsec the detection of a dead peer.
[[nodiscard]] Duration converge_bound(const Scenario& scenario);

/// Why `converged` and `delivered` cannot be judged in a run of this scenario, for its warnings;
/// empty if they are.
[[nodiscard]] std::string ends_before_bound(const Scenario& scenario,
                                            const InvariantOptions& options = {});

class InvariantMonitor final : public FaultListener {
   public:
    /// References must outlive the monitor.
    InvariantMonitor(Runtime& runtime, const Scenario& scenario, const MonitoredCluster& cluster,
                     InvariantOptions options = {});
    ~InvariantMonitor() override;

    /// The world calls these right after it happened.
    void store_changed();
    /// The store was put back to an earlier state, or emptied: what was before counts no more.
    void store_replaced();
    void agent_started(std::size_t host);
    void agent_stopped(std::size_t host);
    void node_changed(std::size_t host);  ///< state or lease
    void rows_changed(std::size_t host);

    void fault_began(std::size_t fault, const std::string& what) override;
    void fault_ended(std::size_t fault, const std::string& what) override;

    /// At the end of the run: checks what can be checked then.
    void finish();

    /// A world's own finding; also says that the invariant was checked.
    void add(ViolationReport violation);
    void note_checked(std::string_view invariant);

    [[nodiscard]] const std::vector<ViolationReport>& violations() const;
    [[nodiscard]] std::vector<std::string> checked() const;  ///< sorted

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab
