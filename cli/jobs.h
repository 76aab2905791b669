// Jobs: runs worlds in child processes, several at a time.
//
// A world (ns-3) has one simulator a process and leaves state behind, so each (backend, seed) gets
// a child of its own; its report comes back over a pipe. The order of results is the order of jobs,
// whoever finishes first. When a job fails, those before it still finish, so that the same job is
// blamed every time.
//
// Pipe: lines of text. `p NOW_NS END_NS` is progress, `r JSON` the report, `e KIND ERRNO MESSAGE`
// an error.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/interrupts.h"
#include "cli/progress.h"
#include "models/base/error.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "sim/world.h"

namespace overlab::cli {

/// Runs one scenario: sim::run, or a test's own.
using Runner = std::function<Result<RunReport>(const Scenario&, const sim::RunOptions&)>;

struct Job {
    std::string name;  ///< for people: `vxlan, seed 3`
    Scenario scenario;
    sim::RunOptions options;
};

/// One report a job, in their order. Errors: the runner's, with the job's name before the message;
/// unavailable if a child died (the message names the signal) or if interrupts caught one. No child
/// is left when it returns. parallel >= 1.
[[nodiscard]] Result<std::vector<RunReport>> run_jobs(const std::vector<Job>& jobs,
                                                      const Runner& runner, unsigned parallel,
                                                      Interrupts& interrupts, Progress& progress);

}  // namespace overlab::cli
