// Repeats: the same run several times, to see that it gives the same.
//
// A run's first repeat is the run: its report and its captures are the result's. The others'
// captures lie in `repeats/RUN/N` of the result folder until they have been compared, and stay
// there if they differ.
#pragma once

#include <string>
#include <vector>

#include "cli/jobs.h"
#include "cli/result_directory.h"
#include "results/result.h"

namespace overlab::cli {

/// `vxlan-seed1`, in other worlds than sim `vxlan-seed1-vm`: the run's folder of captures.
[[nodiscard]] std::string run_folder_name(const Job& job);

/// Makes a folder for each job's captures and tells the job.
[[nodiscard]] Result<void> place_captures(std::vector<Job>& jobs, const ResultDirectory& directory);

/// Compares each run's repeats with its first: reports as they are in JSON, captures octet by
/// octet. What is alike is removed; what differs is kept, the two reports too. `reports` are those
/// of `jobs`, each run's repeats one after another; runs that were not possible have no outcome.
/// Errors: unavailable, files that cannot be read or written.
[[nodiscard]] Result<std::vector<RepeatOutcome>> compare_repeats(
    const std::vector<Job>& jobs, const std::vector<RunReport>& reports,
    const ResultDirectory& directory);

/// The first repeat's report of each run.
[[nodiscard]] std::vector<RunReport> first_reports(const std::vector<Job>& jobs,
                                                   std::vector<RunReport> reports);

/// The files of the first repeats' captures, by name. Errors: unavailable.
[[nodiscard]] Result<std::vector<CaptureFile>> list_captures(const std::vector<Job>& jobs);

}  // namespace overlab::cli
