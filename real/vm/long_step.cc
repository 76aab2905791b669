#include "real/vm/long_step.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <optional>

namespace overlab::real {
namespace {

constexpr Duration look_every = milliseconds(200);
/// Compilers remove what they have half written.
constexpr Duration grace = seconds(5);
constexpr int cannot_start = 127;

/// The keeper: ends the session on SIGTERM, which is also what its parent's death sends.
int keep(const Command& command, pid_t parent) {
    ::setsid();
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &term, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) return cannot_start;
    Result<Process> process = Process::start(command);
    if (!process) {
        std::ofstream(command.output, std::ios::app) << process.error().what << '\n';
        return cannot_start;
    }
    for (;;) {
        if (const std::optional<ExitStatus> status = process->wait(look_every)) return status->code;
        const timespec at_once{};
        if (::sigtimedwait(&term, nullptr, &at_once) != SIGTERM) continue;
        ::kill(0, SIGTERM);  // Blocked here, so this is for the others.
        (void)process->wait(grace);
        ::kill(0, SIGKILL);  // Whoever is left, and this process.
    }
}

}  // namespace

Result<ExitStatus> run_step(const Command& command, const std::function<bool()>& go_on) {
    const pid_t self = ::getpid();
    OVERLAB_TRY(Process keeper, Process::fork([&] { return keep(command, self); }));
    for (;;) {
        if (const std::optional<ExitStatus> status = keeper.wait(look_every)) return *status;
        if (go_on()) continue;
        keeper.signal(SIGTERM);
        (void)keeper.wait(grace * 2);  // It ends by SIGKILL, its own or now ours.
        return fail(ErrorKind::already_exists, "stopped");
    }
}

}  // namespace overlab::real
