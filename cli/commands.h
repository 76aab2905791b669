// The subcommands. Each function declares one on the program's command line; its callback runs it
// and leaves the process' exit code in `exit_code`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/crosscheck_sides.h"
#include "cli/jobs.h"
#include "cli/tracer.h"

namespace overlab::cli {

/// What a command gets from main(): the worlds' front doors and where its exit code goes.
struct Environment {
    Runners runners;
    Tracer tracer;
    MakeCrossSides cross_sides;
    int exit_code = 0;
};

/// `environment` must outlive `app`.
void add_run_command(CLI::App& app, Environment& environment);
void add_compare_command(CLI::App& app, Environment& environment);
void add_check_command(CLI::App& app, Environment& environment);
void add_fuzz_command(CLI::App& app, Environment& environment);
void add_trace_command(CLI::App& app, Environment& environment);
void add_run_in_guest_command(CLI::App& app, Environment& environment);
void add_crosscheck_command(CLI::App& app, Environment& environment);
void add_crosscheck_in_guest_command(CLI::App& app, Environment& environment);
void add_doctor_command(CLI::App& app, Environment& environment);
void add_kernel_command(CLI::App& app, Environment& environment);
void add_version_command(CLI::App& app, Environment& environment);

/// Parses the arguments and runs the command. Returns the process' exit code; usage errors give 2.
[[nodiscard]] int run_command_line(int argc, char** argv, Environment environment);

}  // namespace overlab::cli
