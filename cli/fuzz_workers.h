// FuzzWorkers: processes that share seeds among them. A worker that dies, or that sits on one seed
// for too long, is a finding of that seed; another one goes on with the next.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/fuzz_seeds.h"
#include "cli/interrupts.h"
#include "models/base/error.h"

namespace overlab::cli {

struct FuzzPlan {
    std::uint64_t first = 1;
    std::uint64_t last = 1000;           ///< included
    std::optional<std::int64_t> wall_s;  ///< stop when so much wall time is over
    unsigned jobs = 1;
    std::size_t most_shrunk = 3;  ///< of each worker's findings
};

struct FuzzTotals {
    std::uint64_t histories = 0, faults = 0, events = 0, run_twice = 0;
    double elapsed_s = 0;
    bool interrupted = false;
    std::vector<FuzzFinding> findings;  ///< by seed
};

/// Called now and then with the share that is done (0 to 1) and the histories so far.
using FuzzProgress = std::function<void(double done, std::uint64_t histories)>;

/// Errors: a world's (it cannot run such scenarios at all), unavailable (no process).
[[nodiscard]] Result<FuzzTotals> run_workers(const FuzzPlan& plan, const FuzzSeeds& seeds,
                                             Interrupts& interrupts, const FuzzProgress& progress);

}  // namespace overlab::cli
