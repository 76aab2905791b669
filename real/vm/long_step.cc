#include "real/vm/long_step.h"

#include <csignal>
#include <optional>

namespace overlab::real {
namespace {

constexpr Duration look_every = milliseconds(200);
/// Compilers remove what they have half written.
constexpr Duration grace = seconds(5);

}  // namespace

Result<ExitStatus> run_step(Command command, const std::function<bool()>& go_on) {
    // setsid(1) becomes the program without another fork: a child of ours leads no process group
    // yet. So the process number is the session's.
    command.argv.insert(command.argv.begin(), "setsid");
    OVERLAB_TRY(Process process, Process::start(command));
    for (;;) {
        if (const std::optional<ExitStatus> status = process.wait(look_every)) return *status;
        if (go_on()) continue;
        ::kill(-process.pid(), SIGTERM);
        // Before it is waited for, its number is nobody else's, so the group's is not either.
        if (!process.wait(grace)) ::kill(-process.pid(), SIGKILL);
        return fail(ErrorKind::already_exists, "stopped");
    }
}

}  // namespace overlab::real
