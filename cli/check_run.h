// Runs a check: all scenarios, each judged as soon as its runs are done, goldens rewritten if that
// is asked for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/check_plan.h"
#include "cli/interrupts.h"
#include "cli/jobs.h"
#include "results/check_outcome.h"

namespace overlab::cli {

struct CheckResult {
    std::vector<CheckedScenario> scenarios;  ///< in the order of the plan
    std::string digest;                      ///< of all results; empty if some were in real time
};

/// Told of each scenario in the plan's order, as early as that allows.
using ScenarioChecked = std::function<void(const CheckedScenario& scenario)>;

/// Goldens are written after the last run, so that a check that is stopped leaves all as it was.
/// Errors: unavailable (a signal, a golden that cannot be written).
[[nodiscard]] Result<CheckResult> run_check(CheckPlan plan, const CheckOptions& options,
                                            const Runners& runners, Interrupts& interrupts,
                                            const ScenarioChecked& checked);

}  // namespace overlab::cli
