// Expectations: bounds on metrics, checked at parsing against the names that a result will know.
#pragma once

#include <vector>

#include "models/scenario/json_cursor.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// `expect`, in the file's order. The rest of the scenario has been read.
[[nodiscard]] std::vector<Expectation> read_expectations(const JsonCursor& expect,
                                                         const Scenario& scenario);

}  // namespace overlab
