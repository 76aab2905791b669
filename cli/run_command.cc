#include <memory>

#include "cli/commands.h"
#include "cli/experiment.h"

namespace overlab::cli {

void add_run_command(CLI::App& app, Environment& environment) {
    CLI::App* command =
        app.add_subcommand("run", "Run a scenario under its own backend, or under others.");
    command->footer(
        "Examples:\n"
        "  overlab run scenarios/two-hosts.json\n"
        "  overlab run scenarios/two-hosts.json --backend host-gw --runs 5 --out /tmp/five\n"
        "  overlab run scenarios/two-hosts.json --world vm --time virtual --repeat 2\n\n"
        "Exit codes: 0 done, 1 an expectation was not met or a repeat differed, 2 bad input or "
        "nothing usable came of it.");
    const auto options = std::make_shared<ExperimentOptions>();
    add_experiment_options(*command, *options);
    command->callback([options, &environment] {
        environment.exit_code = run_experiment(*options, Selection::own, environment.runners);
    });
}

}  // namespace overlab::cli
