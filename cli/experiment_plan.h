// The plan of an experiment: which backends and seeds, and one job for each pair; with --repeat
// several.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/experiment.h"
#include "cli/jobs.h"
#include "models/base/error.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

struct ExperimentPlan {
    std::vector<std::string> worlds;    ///< in the order asked for, each once
    std::vector<std::string> backends;  ///< in the order asked for, each once
    std::vector<std::uint64_t> seeds;   ///< ascending
    unsigned repeats = 1;               ///< jobs of each run
    std::vector<Job> jobs;              ///< by backend, world, seed, repeat
};

/// Errors: a backend that the scenario has no configuration for; seeds past the largest number;
/// virtual time where there is none; repeats in real time.
[[nodiscard]] Result<ExperimentPlan> plan_experiment(const Scenario& scenario,
                                                     const ExperimentOptions& options,
                                                     Selection selection);

/// How many children at a time: as asked for, at most twice the cores; else one a core. Runs in
/// real time go one after another unless asked for otherwise: they would share the cores they
/// measure. In virtual time they cannot notice.
[[nodiscard]] unsigned parallel_jobs(const ExperimentOptions& options);

}  // namespace overlab::cli
