// Lab nodes: what one namespace of the lab is told to be: host, switch, router or pod.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"
#include "real/netlink/links.h"

namespace overlab::real {

/// A Linux bridge has 1023 ports (BR_MAX_PORTS).
inline constexpr std::size_t most_bridge_ports = 1000;

/// What all parts of a build know.
struct LabPlan {
    const Scenario* scenario = nullptr;
    UnderlayGraph graph;
    std::vector<std::array<std::string, 2>> port_names;  ///< by link: at end a, at end b
    std::vector<bool> in_tree;  ///< by link: false where a switch does not forward
    bool fixed_neighbours = false;

    [[nodiscard]] const std::string& port_of(NodeIndex node, LinkId link) const {
        return port_names[link][scenario->underlay.links[link].a == node ? 0 : 1];
    }
};

/// Errors: those of UnderlayGraph::build; unsupported (too many links at one switch).
[[nodiscard]] Result<LabPlan> plan_lab(const Scenario& scenario);

/// What of the topology the kernel world does otherwise.
[[nodiscard]] std::vector<std::string> topology_warnings(const LabPlan& plan);

/// Settings that interfaces copy when they are made; so before those. Errors: unsupported.
[[nodiscard]] Result<void> set_defaults(Links& links, bool forwards);

/// Once all interfaces of the node are there: ports, addresses, routes.
[[nodiscard]] Result<void> set_up_host(Links& links, const LabPlan& plan, NodeIndex host);
[[nodiscard]] Result<void> set_up_switch(Links& links, const LabPlan& plan, NodeIndex node);
[[nodiscard]] Result<void> set_up_router(Links& links, const LabPlan& plan, NodeIndex router);

}  // namespace overlab::real
