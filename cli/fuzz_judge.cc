#include "cli/fuzz_judge.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/control/control_world.h"
#include "results/report_codec.h"

namespace overlab::cli {
namespace {

constexpr unsigned longest_apart_s = 120;

Result<FuzzVerdict> run_control_plane(const Scenario& scenario) {
    OVERLAB_TRY(const auto world, ControlWorld::build(scenario, scenario.seed));
    world->run(true);
    FuzzVerdict verdict{.digest = world->digest(), .events = world->events()};
    if (!world->violations().empty()) verdict.violation = world->violations().front();
    return verdict;
}

std::string death_of(int status) {
    if (WIFSIGNALED(status)) return fmt::format("SIG{}", ::sigabbrev_np(WTERMSIG(status)));
    return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace

Result<FuzzVerdict> FuzzJudge::run(const Scenario& scenario) const {
    if (world_ == "control") return run_control_plane(scenario);
    OVERLAB_TRY(const RunReport report, runners_->at(world_)(scenario, {.seed = scenario.seed}));
    FuzzVerdict verdict{.digest = stable_hash(report_to_json(report).dump()),
                        .events = report.events};
    if (!report.violations.empty()) verdict.violation = report.violations.front();
    return verdict;
}

/// Only whether it dies is asked of the child: what it finds, this process can find too.
Result<FuzzVerdict> FuzzJudge::run_apart(const Scenario& scenario) const {
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail(ErrorKind::unavailable, fmt::format("fork: {}", std::strerror(errno)), errno);
    if (pid == 0) {
        ::alarm(longest_apart_s);
        (void)run(scenario);
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) CHECK(errno == EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return run(scenario);
    FuzzVerdict verdict;
    verdict.violation = ViolationReport{.invariant = program_died, .what = death_of(status)};
    return verdict;
}

}  // namespace overlab::cli
