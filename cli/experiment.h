// What `run` and `compare` share: a scenario under some backends and seeds, run, written and
// judged.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/jobs.h"

namespace overlab::cli {

enum class Format : std::uint8_t { table, json };

/// 0 all well, 1 an expectation was not met or a repeat differed, 2 bad input or nothing usable
/// came of it; 128 + a signal.
enum class ExitCode : int { ok = 0, expectation_failed = 1, unusable = 2 };

struct ExperimentOptions {
    std::string scenario_file;
    Format format = Format::table;
    std::uint64_t seed = 0;             ///< 0: the scenario's
    unsigned runs = 1;                  ///< seeds: seed, seed + 1, ...
    unsigned repeat = 1;                ///< each run so often, to see that it gives the same
    std::vector<std::string> backends;  ///< empty: the command's default
    std::vector<std::string> worlds{"sim"};
    KernelOptions kernel;  ///< scratch_dir and scenario_file are filled in by the experiment
    std::string out;       ///< empty: overlab-out/NAME
    bool capture = false;
    unsigned jobs = 0;  ///< 0: as many as there are cores
    bool no_progress = false;
};

/// Which backends an experiment has when none are asked for.
enum class Selection : std::uint8_t { own, compared };

inline constexpr unsigned max_runs = 1000;
inline constexpr unsigned max_repeats = 100;

void add_format_option(CLI::App& command, Format& format);

/// What only runs on a real kernel know: --udp-mode, --links, --engine, --time.
void add_kernel_options(CLI::App& command, KernelOptions& kernel);

/// Declares the options on a subcommand.
void add_experiment_options(CLI::App& command, ExperimentOptions& options);

/// Loads, runs, writes the result folder, prints. Returns the process' exit code.
[[nodiscard]] int run_experiment(const ExperimentOptions& options, Selection selection,
                                 const Runners& runners);

}  // namespace overlab::cli
