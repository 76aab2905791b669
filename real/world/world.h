// The kernel world's front door: run one scenario (its own backend) on namespaces of this kernel.
#pragma once

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::real {

/// To be called inside a sandbox (real/base/sandbox.h), as its first process. Takes as long as the
/// scenario's duration and a few seconds. Errors: unsupported (what this kernel or machine lacks,
/// with the remedy), invalid_argument, unavailable.
[[nodiscard]] Result<RunReport> run(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab::real
