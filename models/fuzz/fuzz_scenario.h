// Random scenarios: a cluster, a configuration and a time of faults followed by a time of peace,
// all drawn from one seed. What is drawn is an ordinary Scenario: it can be saved, run in any world
// that can do its faults, and made smaller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/base/time.h"
#include "models/scenario/scenario.h"

namespace overlab {

struct FuzzOptions {
    std::size_t min_hosts = 2, max_hosts = 8;
    std::size_t min_faults = 10, max_faults = 30;
    /// Faults end in the first part of it; the rest is for healing: see quiet_time().
    Duration duration = hours(7 * 24);
    std::vector<std::string> defects;  ///< switched on in every scenario
    std::string backend;               ///< only this type; empty: any that is simulated
    bool traffic = false;              ///< flows between the pods, for worlds that move packets
};

/// Equal arguments give equal scenarios, on every machine. CHECK: options make sense (hosts from 1
/// to 32, min not above max, time enough for peace).
[[nodiscard]] Scenario draw_scenario(std::uint64_t seed, const FuzzOptions& options);

}  // namespace overlab
