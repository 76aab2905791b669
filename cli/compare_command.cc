#include <memory>

#include "cli/commands.h"
#include "cli/experiment.h"

namespace overlab::cli {

void add_compare_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "compare", "Run a scenario under several backends and print them side by side.");
    command->footer(
        "Examples:\n"
        "  overlab compare scenarios/two-racks.json\n"
        "  overlab compare scenarios/two-racks.json --backend vxlan,host-gw --runs 5\n"
        "  overlab compare scenarios/two-racks.json --format json | python3 -m json.tool\n\n"
        "Exit codes: 0 done, 1 an expectation was not met or a repeat differed, 2 bad input or "
        "nothing usable came of it.");
    const auto options = std::make_shared<ExperimentOptions>();
    add_experiment_options(*command, *options);
    command->callback([options, &environment] {
        environment.exit_code = run_experiment(*options, Selection::compared, environment.runners);
    });
}

}  // namespace overlab::cli
