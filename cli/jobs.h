// Jobs: runs worlds in child processes, several at a time.
//
// A world (ns-3) has one simulator a process and leaves state behind, so each (backend, seed) gets
// a child of its own; its report comes back over a pipe. The order of results is the order of jobs,
// whoever finishes first. When a job fails, those before it still finish, so that the same job is
// blamed every time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/interrupts.h"
#include "cli/progress.h"
#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

/// Runs one scenario in one world: sim::run, the kernel's, or a test's own.
using Runner = std::function<Result<RunReport>(const Scenario&, const RunOptions&)>;
/// By the world's name: `sim`, `kernel`, `vm`.
using Runners = std::map<std::string, Runner>;

/// The runs' clocks are their own and not the machine's: the same seed gives the same report.
[[nodiscard]] bool in_virtual_time(std::string_view world, const KernelOptions& kernel);

struct Job {
    std::string name;           ///< for people: `vxlan, seed 3`
    std::string world = "sim";  ///< a key of the runners
    Scenario scenario;
    RunOptions options;
    unsigned repeat = 1;  ///< which of the run's repeats, from 1
};

/// One report a job, in their order. What a world cannot run here (`unsupported`) is a report too,
/// with the reason in RunReport::unavailable. Errors: the runner's other ones, with the job's name
/// before the message; unavailable if a child died (the message names the signal) or if interrupts
/// caught one. No child is left when it returns. parallel >= 1.
[[nodiscard]] Result<std::vector<RunReport>> run_jobs(const std::vector<Job>& jobs,
                                                      const Runners& runners, unsigned parallel,
                                                      Interrupts& interrupts, Progress& progress);

/// What came of one job of many that do not hang together. Errors as run_jobs().
struct JobOutcome {
    Result<RunReport> report;
    std::int64_t wall_ns = 0;
};
/// Told as soon as job `index` has ended.
using JobEnded = std::function<void(std::size_t index, JobOutcome outcome)>;

/// As run_jobs(), but each job stands for itself: one that fails stops no other. Errors:
/// unavailable if interrupts caught a signal; then some jobs have not been told.
[[nodiscard]] Result<void> run_each_job(const std::vector<Job>& jobs, const Runners& runners,
                                        unsigned parallel, Interrupts& interrupts,
                                        Progress& progress, const JobEnded& ended);

}  // namespace overlab::cli
