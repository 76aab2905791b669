// `run-in-guest`: what the vm world starts inside its guest kernel. Not for people, so not listed.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/outcome.h"
#include "cli/scenario_file.h"
#include "real/base/fd.h"
#include "real/base/run_folder.h"

namespace overlab::cli {
namespace {

struct GuestRun {
    std::string scenario_file, backend, outcome;
    RunOptions options;
};

Result<RunReport> run(const GuestRun& order, const Runner& runner) {
    const auto file = load_scenario(order.scenario_file);
    if (!file) return fail(ErrorKind::invalid_argument, file.error().front().to_string());
    OVERLAB_TRY(const Scenario scenario, with_backend(file->scenario, order.backend));
    // On the guest's own file system: sockets and memory maps do not work on a shared folder. Not
    // in /tmp, where the machine's root may have a folder of this name: an ordinary user's guest
    // could not write there, and what runs on the machine would show in virtual time.
    OVERLAB_TRY(const real::RunFolder folder, real::RunFolder::create("/dev/shm"));
    RunOptions options = order.options;
    // In virtual time booting is as quick as in the sim, and instants mean the same in both.
    options.kernel.settle_first = !options.kernel.virtual_time;
    options.kernel.scratch_dir = folder.path().string();
    options.progress = OutcomeWriter(STDOUT_FILENO).progress();
    return runner(scenario, options);
}

int run_and_tell(const GuestRun& order, const Runner& runner) {
    const real::Fd file(
        ::open(order.outcome.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const bool told = OutcomeWriter(file.get()).tell(run(order, runner));
    return static_cast<int>(told ? ExitCode::ok : ExitCode::unusable);
}

}  // namespace

void add_run_in_guest_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand("run-in-guest", "What --world vm runs in its guest.");
    command->group("");  // Hidden.
    const auto order = std::make_shared<GuestRun>();
    command->add_option("scenario", order->scenario_file)->required();
    command->add_option("--backend", order->backend)->required();
    command->add_option("--seed", order->options.seed)->required();
    command->add_option("--outcome", order->outcome)->required();
    command->add_option("--capture", order->options.capture_dir);
    command->add_flag("--keep-forwarding", order->options.keep_forwarding);
    add_kernel_options(*command, order->options.kernel);
    command->callback([order, &environment] {
        environment.exit_code = run_and_tell(*order, environment.runners.at("kernel"));
    });
}

}  // namespace overlab::cli
