// The plan of a check: every scenario loaded, its golden read, and one job for each run.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/check_files.h"
#include "cli/jobs.h"
#include "results/check_outcome.h"
#include "results/golden.h"

namespace overlab::cli {

struct CheckOptions {
    std::vector<std::string> paths;
    std::string world = "sim";
    KernelOptions kernel;
    unsigned jobs = 0;  ///< 0: as many as there are cores; on real kernels in wall time one
    bool large = false;
    bool update = false;
    std::string junit;  ///< file; empty: none
    bool no_progress = false;
};

struct PlannedScenario {
    CheckFile file;
    CheckedScenario outcome;       ///< as far as it is known before it runs
    std::size_t first_job = 0;     ///< its jobs follow one another
    std::size_t job_count = 0;     ///< 0: broken or left out
    std::optional<Golden> golden;  ///< what is recorded; absent: nothing is
};

struct CheckPlan {
    std::vector<PlannedScenario> scenarios;
    std::vector<Job> jobs;
    std::vector<std::size_t> owners;  ///< of each job: index into `scenarios`
    bool with_golden = false;
    std::vector<std::string> not_scenarios, ownerless;
};

/// Goldens are of world sim.
[[nodiscard]] bool has_goldens(const CheckOptions& options);

/// A scenario or golden that cannot be read is its scenario's problem. Errors: paths that are not
/// there or hold nothing.
[[nodiscard]] Result<CheckPlan> plan_check(const CheckOptions& options);

}  // namespace overlab::cli
