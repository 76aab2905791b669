// Reads a scenario and what it includes from files.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "models/scenario/scenario.h"

namespace overlab::cli {

struct ScenarioFile {
    Scenario scenario;
    std::vector<Problem> warnings;
    std::string sha256;  ///< over the file and its includes, in the order in which they were read
};

/// Files larger than this are not scenarios.
inline constexpr std::size_t max_scenario_bytes = 64U << 20U;

/// Every problem found, at least one, if the scenario is unusable.
[[nodiscard]] std::expected<ScenarioFile, std::vector<Problem>> load_scenario(
    const std::string& path);

}  // namespace overlab::cli
