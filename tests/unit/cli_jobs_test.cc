#include "cli/jobs.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;

namespace {

Result<std::vector<RunReport>> run(const std::vector<std::string>& names, unsigned parallel,
                                   const Runner& runner) {
    std::vector<Job> jobs;
    for (const std::string& name : names) {
        Job job{.name = name, .scenario = {}, .options = {}};
        job.scenario.name = name;
        jobs.push_back(job);
    }
    Interrupts interrupts;
    Progress progress(jobs.size(), /*enabled=*/false);
    return run_jobs(jobs, {{"sim", runner}}, parallel, interrupts, progress);
}

RunReport echo(const Scenario& scenario) {
    RunReport report;
    report.scenario = scenario.name;
    return report;
}

bool children_left() { return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD; }

/// Lets one child wait for another: a byte in a pipe that both inherit.
class Signpost {
   public:
    Signpost() { REQUIRE(::pipe(ends_.data()) == 0); }
    Signpost(const Signpost&) = delete;
    Signpost& operator=(const Signpost&) = delete;
    ~Signpost() {
        for (const int end : ends_) ::close(end);
    }
    void raise() const { (void)(::write(ends_[1], "x", 1) == 1); }
    void await() const {
        char byte = 0;
        (void)(::read(ends_[0], &byte, 1) == 1);
    }

   private:
    std::array<int, 2> ends_{};
};

}  // namespace

TEST_CASE("Reports come in the order of jobs, whoever finishes first") {
    const Signpost third_is_done;

    const auto reports = run({"a", "b", "c"}, 3,
                             [&](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
                                 if (scenario.name == "a") third_is_done.await();
                                 if (scenario.name == "c") third_is_done.raise();
                                 return echo(scenario);
                             });

    REQUIRE(reports.has_value());
    std::vector<std::string> order;
    for (const RunReport& report : *reports) order.push_back(report.scenario);
    REQUIRE(order == std::vector<std::string>{"a", "b", "c"});
    REQUIRE_FALSE(children_left());
}

TEST_CASE("More jobs than children at a time all run, each in a process of its own") {
    int counter = 0;  // a child's change is its own

    const auto reports =
        run({"a", "b", "c", "d", "e"}, 2, [&](const Scenario& scenario, const RunOptions&) {
            RunReport report = echo(scenario);
            report.events = static_cast<std::uint64_t>(++counter);
            return Result<RunReport>(report);
        });

    REQUIRE(reports->size() == 5);
    for (const RunReport& report : *reports) REQUIRE(report.events == 1);
    REQUIRE(counter == 0);
}

TEST_CASE("A large report passes the pipe") {
    const auto reports =
        run({"a"}, 1, [](const Scenario& scenario, const RunOptions& options) -> Result<RunReport> {
            RunReport report = echo(scenario);
            for (int i = 0; i < 50'000; ++i) report.timeline.push_back({i, "h1", "lease renewed"});
            options.progress(5, 10);
            return report;
        });

    REQUIRE(reports->front().timeline.size() == 50'000);
}

TEST_CASE("What a world cannot run is a report with the reason, and the others still run") {
    const auto reports =
        run({"a", "b"}, 1, [](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
            if (scenario.name == "a") return fail(ErrorKind::unsupported, "no ESP here");
            RunReport report;
            report.scenario = scenario.name;
            return report;
        });

    REQUIRE(reports->size() == 2);
    REQUIRE(reports->at(0).unavailable == "no ESP here");
    REQUIRE(reports->at(0).scenario == "a");
    REQUIRE(reports->at(1).unavailable.empty());
}

TEST_CASE("Of several failures the first job's is reported, and later jobs are stopped") {
    const Signpost second_fails;

    const auto reports = run(
        {"a", "b", "c"}, 3, [&](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
            if (scenario.name == "c") ::pause();  // ends only by being killed
            if (scenario.name == "a") second_fails.await();
            if (scenario.name == "b") second_fails.raise();
            return fail(ErrorKind::unavailable, "links of 1 GB: cannot be had", 7);
        });

    REQUIRE(reports.error() == Error{ErrorKind::unavailable, "a: links of 1 GB: cannot be had", 7});
    REQUIRE_FALSE(children_left());
}

TEST_CASE("How a child died is said with the job's name") {
    struct Row {
        const char* name;
        void (*die)();
        const char* message;
    };
    const Row row = GENERATE(
        Row{"abort", [] { std::signal(SIGABRT, SIG_DFL), std::abort(); },
            "vxlan: the run was killed by SIGABRT"},
        Row{"out of memory", [] { ::kill(::getpid(), SIGKILL); }, "out of memory: try --jobs 1"},
        Row{"exit", [] { ::_exit(3); }, "vxlan: the run ended without a result (exit code 3)"},
        Row{"exception", [] { throw std::runtime_error("bad cast"); },
            "vxlan: the run stopped: bad cast"});
    INFO(row.name);

    const auto reports =
        run({"vxlan"}, 1, [&](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
            row.die();
            return echo(scenario);
        });

    REQUIRE_FALSE(reports.has_value());
    REQUIRE(reports.error().what.find(row.message) != std::string::npos);
    REQUIRE(reports.error().kind == ErrorKind::unavailable);
}

TEST_CASE("A signal to the parent stops every child") {
    const auto reports =
        run({"a", "b"}, 2, [](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
            if (scenario.name == "b") ::kill(::getppid(), SIGTERM);
            ::pause();
            return echo(scenario);
        });

    REQUIRE(reports.error().what == "stopped by SIGTERM");
    REQUIRE_FALSE(children_left());
}

TEST_CASE("What a run prints on standard output does not reach the program's") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDOUT_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[1]);

    const auto reports =
        run({"a"}, 1, [](const Scenario& scenario, const RunOptions&) -> Result<RunReport> {
            // Standard error is where it goes; an empty line there hurts nobody.
            (void)(::write(STDOUT_FILENO, "\n", 1) == 1);
            return echo(scenario);
        });
    ::dup2(saved, STDOUT_FILENO);
    ::close(saved);

    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 0);
    REQUIRE(reports.has_value());
    ::close(ends[0]);
}
