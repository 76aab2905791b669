// What `overlab check --format json` prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "results/check_outcome.h"

namespace overlab {

/// The whole document, indented, with a newline at the end. `digest`: of all results.
[[nodiscard]] std::string check_json(const std::vector<CheckedScenario>& scenarios,
                                     std::string_view digest);

}  // namespace overlab
