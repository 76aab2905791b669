// Makes a scenario that fails as small as it gets: fewer faults, fewer hosts, less configuration,
// shorter, as long as it still fails.
#pragma once

#include <cstddef>
#include <functional>

#include "models/scenario/scenario.h"

namespace overlab {

struct ShrunkScenario {
    Scenario scenario;
    std::size_t tries = 0;
    bool minimal = false;  ///< nothing more can be left out; false: `max_tries` came first
};

/// `fails` answers whether a scenario fails in the same way; it does for `scenario`. Deterministic
/// if `fails` is.
[[nodiscard]] ShrunkScenario shrink_scenario(const Scenario& scenario,
                                             const std::function<bool(const Scenario&)>& fails,
                                             std::size_t max_tries = 600);

}  // namespace overlab
