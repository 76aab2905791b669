// The program: joins the command line with the worlds that it runs scenarios in.
#include <csignal>

#include "cli/commands.h"
#include "cli/crosscheck_sides.h"
#include "cli/guest_runner.h"
#include "cli/kernel_runner.h"
#include "cli/sim_tracer.h"
#include "models/control/control_world.h"
#include "sim/world.h"

int main(int argc, char** argv) {
    // A file-size limit then shows as a failed write, which is reported, and not as death by
    // signal.
    std::signal(SIGXFSZ, SIG_IGN);
    return overlab::cli::run_command_line(argc, argv,
                                          {.runners = {{"sim", overlab::sim::run},
                                                       {"control", overlab::run_control},
                                                       {"kernel", overlab::cli::run_in_kernel},
                                                       {"vm", overlab::cli::run_in_guest}},
                                           .tracer = overlab::cli::trace_in_sim,
                                           .cross_sides = overlab::cli::make_cross_sides,
                                           .exit_code = 0});
}
