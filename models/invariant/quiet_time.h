// When a scenario leaves its cluster alone, and who is gone for good then.
#pragma once

#include <cstddef>
#include <optional>
#include <set>

#include "models/base/time.h"
#include "models/scenario/scenario.h"

namespace overlab {

struct QuietTime {
    /// Every fault is over, every host has booted. Absent: something stays broken to the end that
    /// the system cannot mend.
    std::optional<Duration> from;
    std::set<std::size_t> gone;  ///< underlay nodes without an agent from then on
};

/// Hosts that stay off, agents that stay dead and clocks that stay wrong are no obstacle: the rest
/// of the cluster has to live with them.
[[nodiscard]] QuietTime quiet_time(const Scenario& scenario);

}  // namespace overlab
