#include "cli/commands.h"

#include "cli/experiment.h"

namespace overlab::cli {

int run_command_line(int argc, char** argv, Environment environment) {
    CLI::App app{
        "overlab runs flannel's backends side by side, on a simulated network and on real kernels.",
        "overlab"};
    app.require_subcommand(1);
    app.footer(
        "Example:\n  overlab compare scenarios/two-racks.json\n\n`overlab COMMAND --help` says "
        "more.");
    add_run_command(app, environment);
    add_compare_command(app, environment);
    add_check_command(app, environment);
    add_fuzz_command(app, environment);
    add_trace_command(app, environment);
    add_run_in_guest_command(app, environment);
    add_crosscheck_command(app, environment);
    add_crosscheck_in_guest_command(app, environment);
    add_doctor_command(app, environment);
    add_kernel_command(app, environment);
    add_version_command(app, environment);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        // CLI11 has exit codes of its own; ours are few. Asking for help is no error.
        return app.exit(problem) == 0 ? 0 : static_cast<int>(ExitCode::unusable);
    }
    return environment.exit_code;
}

}  // namespace overlab::cli
