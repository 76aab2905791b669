// Result: what one experiment (a scenario under several backends and seeds) gave. Split in two:
// what every machine must reproduce byte for byte, and facts about the machine and the program that
// ran it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// One `expect` of the scenario, measured in one run.
struct ExpectationOutcome {
    Expectation expectation;
    std::string backend, world;
    std::uint64_t seed = 0;
    std::optional<double> measured;  ///< absent: there is no such metric; `problem` says why
    std::string problem;
    bool met = false;
};

/// How one repeat of a run was unlike the first.
struct RepeatDifference {
    unsigned repeat = 2;
    std::string file;  ///< in the result folder
    std::string what;  ///< the place of the first difference and what is there in both
};

/// What came of doing one run several times (--repeat).
struct RepeatOutcome {
    std::string backend, world;
    std::uint64_t seed = 0;
    unsigned repeats = 0;
    unsigned identical = 0;                     ///< to the first, itself included
    std::vector<RepeatDifference> differences;  ///< by repeat; captures by file, then the report
};

struct CaptureFile {
    std::string file;  ///< in the result folder
    std::uint64_t bytes = 0;
    std::string sha256;
};

/// The reproducible part (of runs in virtual time), and what was asked for beside it.
struct ExperimentResult {
    std::string scenario, description;
    std::vector<std::string> worlds;               ///< in the order asked for
    std::vector<std::string> backends;             ///< in the order asked for
    std::vector<std::uint64_t> seeds;              ///< ascending
    std::vector<RunReport> runs;                   ///< by backend, world, seed, in those orders
    std::vector<ExpectationOutcome> expectations;  ///< by run, then in the scenario's order
    // Not in deterministic_json(): asking for them does not change what a run gives.
    std::vector<CaptureFile> captures;   ///< by file; empty unless asked for
    std::vector<RepeatOutcome> repeats;  ///< one a run that was possible; empty unless asked for
};

/// True if every machine that can do the runs gets the same: all were in virtual time, and none was
/// refused for what this machine lacks.
[[nodiscard]] bool reproducible(const ExperimentResult& result);

/// What may differ between two machines that agree on the result.
struct MachineFacts {
    std::string overlab_version;
    std::string compiler;
    std::string program_sha256;
    std::string scenario_file;
    std::string scenario_sha256;       ///< over the file and its includes
    std::string deterministic_sha256;  ///< over deterministic_json()
    std::int64_t wall_ns = 0;          ///< how long the runs took
    unsigned jobs = 1;
};

}  // namespace overlab
