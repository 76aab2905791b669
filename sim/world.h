// The sim world's front door: run one scenario (its own backend) and report.
//
// Not re-entrant: ns-3 has one simulator a process. Run worlds one after another, or in forked
// children (cli/ forks one child a backend and run).
#pragma once

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::sim {

/// Errors: invalid_argument, unsupported (what this world cannot do), unavailable (captures could
/// not be written, with errno).
[[nodiscard]] Result<RunReport> run(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab::sim
