// Evaluates a scenario's `expect` against one run.
#pragma once

#include <vector>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "results/result.h"

namespace overlab {

/// One outcome for each expectation that is about this run's backend, in the scenario's order. A
/// metric that the run does not have is an outcome that is not met and has a `problem`.
[[nodiscard]] std::vector<ExpectationOutcome> evaluate_expectations(const Scenario& scenario,
                                                                    const RunReport& run);

}  // namespace overlab
