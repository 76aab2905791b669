// What `overlab check` finds: scenarios, their runs, and what is wrong with each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "results/golden.h"

namespace overlab {

struct CheckFailure {
    enum class Kind : std::uint8_t {
        expectation,  ///< not met, or on something that the run does not have
        invariant,    ///< violated
        golden,       ///< not as recorded
        run,          ///< no report came of it
    };
    Kind kind = Kind::run;
    std::string what;                ///< one line
    std::vector<std::string> lines;  ///< rows, a difference; may be empty
};
[[nodiscard]] std::string_view to_string(CheckFailure::Kind kind);

struct CheckedRun {
    std::string backend, world;
    std::vector<CheckFailure> failures;
    std::vector<std::string> warnings;
    std::optional<GoldenRun> now;  ///< absent: no report came of it, or the world has no goldens
    std::string digest;            ///< of the report; empty in real time and where there is none
    std::int64_t wall_ns = 0;

    [[nodiscard]] bool fails_by(CheckFailure::Kind kind) const;
};

struct CheckedScenario {
    std::string folder;                 ///< as found, below the path that was asked for
    std::string name;                   ///< of the file, without its ending
    std::string file;                   ///< path
    std::vector<Problem> problems;      ///< why it is no scenario; then there are no runs
    std::vector<std::string> warnings;  ///< of the file
    bool left_out = false;              ///< large, and large ones were not asked for
    bool updated = false;  ///< its golden becomes what the runs give: that fails nobody
    std::vector<CheckedRun> runs;

    [[nodiscard]] bool failed() const;
    [[nodiscard]] bool warned() const;
    [[nodiscard]] std::int64_t wall_ns() const;  ///< of its runs, one after another
};

struct CheckTotals {
    std::size_t scenarios = 0, runs = 0;                                       ///< that were run
    std::size_t passed = 0, failed = 0, warned = 0, broken = 0, left_out = 0;  ///< scenarios
    std::size_t updated = 0;                                                   ///< of those
    std::size_t golden_failures = 0, golden_missing = 0;                       ///< runs

    [[nodiscard]] static CheckTotals of(const std::vector<CheckedScenario>& scenarios);
};

inline constexpr std::string_view golden_missing_text = "no golden";

/// What is wrong with one run. `golden`: what is recorded of it, null if nothing is;
/// `with_golden`: the world has goldens at all.
[[nodiscard]] CheckedRun judge_run(const Scenario& scenario, const RunReport& report,
                                   const GoldenRun* golden, bool with_golden,
                                   const DigestFunction& sha256);

}  // namespace overlab
