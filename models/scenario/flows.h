// What all worlds say of a scenario's flows in the same way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// As scenario files and reports spell it.
[[nodiscard]] std::string_view to_string(TrafficSpec::Kind kind);

/// The port that the flow's server listens on: below the ephemeral range (49152...), one for each
/// of the first 40000 flows. `index` is the flow's in Scenario::traffic.
[[nodiscard]] std::uint16_t server_port(std::size_t index);

/// The step of every flow's series in a run of this length: 100 ms, or as many of them as keep a
/// series at 36,000 steps.
[[nodiscard]] Duration series_step(Duration run);

/// The first delivery of any flow between pods of different hosts; -1 if there was none. `flows`
/// are in the order of Scenario::traffic.
[[nodiscard]] std::int64_t first_connectivity_ns(const Scenario& scenario,
                                                 const std::vector<FlowReport>& flows);

}  // namespace overlab
