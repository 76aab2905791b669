// The sim world's front door: run one scenario (its own backend) and report.
//
// Not re-entrant: ns-3 has one simulator a process. Run worlds one after another, or in forked
// children (cli/ forks one child a backend and run).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "models/base/error.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::sim {

struct RunOptions {
    std::uint64_t seed = 0;        ///< 0: the scenario's
    std::string capture_dir;       ///< empty: no captures; else one pcapng a link, and esp_sa keys
    bool keep_forwarding = false;  ///< fill RunReport::forwarding
    /// Called now and then with virtual time passed and the whole; for progress bars. May be empty.
    std::function<void(std::int64_t now_ns, std::int64_t end_ns)> progress;
};

/// Errors: invalid_argument, unsupported (what this world cannot do), unavailable (captures could
/// not be written, with errno).
[[nodiscard]] Result<RunReport> run(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab::sim
