// UnderlayNetwork: the scenario's underlay built: hosts, switches, routers and both directions of
// every link.
#pragma once

#include <memory>
#include <vector>

#include "models/cost/cost_profile.h"
#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"
#include "sim/capture.h"
#include "sim/router_node.h"
#include "sim/sim_host.h"
#include "sim/switch_node.h"

namespace overlab::sim {

class UnderlayNetwork {
   public:
    /// References must outlive the network. Errors: those of UnderlayGraph::build.
    [[nodiscard]] static Result<std::unique_ptr<UnderlayNetwork>> build(Engine& engine,
                                                                        const Scenario& scenario,
                                                                        const CostProfile& costs,
                                                                        std::uint64_t seed);

    /// Null for switches and routers.
    [[nodiscard]] SimHost* host(NodeIndex node) { return hosts_[node].get(); }
    [[nodiscard]] const UnderlayGraph& graph() const { return graph_; }
    [[nodiscard]] const Underlay& underlay() const { return *underlay_; }

    /// The direction that starts at `from` (a's end or b's).
    [[nodiscard]] LinkTransmitter& transmitter(LinkId link, bool from_a) {
        return *transmitters_[2 * link + (from_a ? 0 : 1)];
    }
    void set_link_up(LinkId link, bool up);

    /// Wire bytes of every flow (by Frame::flow_id) on its sender's own link.
    [[nodiscard]] const std::vector<std::uint64_t>& wire_bytes_by_flow() const { return by_flow_; }

    /// One file a link in `directory`, named after it. Errors: unavailable.
    [[nodiscard]] Result<void> capture_to(const std::filesystem::path& directory,
                                          const Engine& engine, const EspKeyRing& keys);
    [[nodiscard]] Result<void> close_captures();

   private:
    UnderlayNetwork(const Scenario& scenario, UnderlayGraph graph);
    void make_links(Engine& engine, std::uint64_t seed);
    void make_nodes(Engine& engine, const Scenario& scenario, const CostProfile& costs);
    void make_host(Engine& engine, const Scenario& scenario, const CostProfile& costs,
                   NodeIndex node);
    void connect_links();
    [[nodiscard]] std::vector<LinkTransmitter*> sending_side(NodeIndex node);

    const Underlay* underlay_;
    UnderlayGraph graph_;
    FabricDirectory directory_;
    std::vector<std::uint64_t> by_flow_;
    std::vector<std::unique_ptr<LinkTransmitter>> transmitters_;
    std::vector<std::unique_ptr<SimHost>> hosts_;        ///< by NodeIndex
    std::vector<std::unique_ptr<SwitchNode>> switches_;  ///< by NodeIndex
    std::vector<std::unique_ptr<RouterNode>> routers_;   ///< by NodeIndex
    std::vector<std::unique_ptr<LinkCapture>> captures_;
};

}  // namespace overlab::sim
