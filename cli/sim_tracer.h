// The simulated world's Tracer.
#pragma once

#include "cli/tracer.h"

namespace overlab::cli {

/// Boots the scenario without its traffic, waits until every node has all its peers' rows and
/// security associations have had time to come up, and follows the packet. Errors: unavailable (no
/// convergence before the scenario's end, or a pod without an address), and those of sim::run.
[[nodiscard]] Result<Trace> trace_in_sim(const Scenario& scenario, std::uint64_t seed,
                                         const TracePacket& packet);

}  // namespace overlab::cli
