// Workload: pods and traffic of a scenario.
#pragma once

#include "models/scenario/json_cursor.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// `pods`: the list, or so many on every host that runs a node. Sorted by name.
[[nodiscard]] std::vector<PodSpec> read_pods(const JsonCursor& pods, const Underlay& underlay);

/// `traffic`: flows sorted by name, generators expanded. Uses scenario.seed, name, duration,
/// underlay and pods.
[[nodiscard]] std::vector<TrafficSpec> read_traffic(const JsonCursor& traffic,
                                                    const Scenario& scenario);

/// The index of the host called `name` among the underlay's nodes; reports at `at` if there is
/// none.
[[nodiscard]] std::optional<std::size_t> find_host(const Underlay& underlay,
                                                   const std::string& name, const JsonCursor& at);

}  // namespace overlab
