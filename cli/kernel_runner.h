// The kernel world as a Runner: a sandbox around real::run(), whose report comes back through a
// file of the run's scratch folder.
#pragma once

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

/// Errors: those of real::run() and run_in_sandbox().
[[nodiscard]] Result<RunReport> run_in_kernel(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab::cli
