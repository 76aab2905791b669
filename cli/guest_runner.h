// The vm world as a Runner: a guest kernel in which this program runs the kernel world.
#pragma once

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

/// options.kernel.scenario_file is read again in the guest. Errors: unsupported (no engine can run
/// a guest that has what the scenario needs), and those of the kernel world in the guest.
[[nodiscard]] Result<RunReport> run_in_guest(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab::cli
