#include "cli/jobs.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "cli/child.h"
#include "models/base/check.h"

namespace overlab::cli {
namespace {

/// What stands for a run that this machine or world cannot do.
RunReport unavailable_report(const Job& job, const std::string& why) {
    RunReport report;
    report.scenario = job.scenario.name;
    report.backend = backend_name(job.scenario.network.backend);
    report.world = job.world;
    report.virtual_time = in_virtual_time(job.world, job.options.kernel);
    report.seed = job.options.seed;
    // The job's name, which stands before every error, and the backend's are known from the report
    // itself.
    std::string_view rest = why;
    for (const std::string& prefix : {job.name + ": ", report.backend + ": "}) {
        if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
    }
    report.unavailable = rest;
    return report;
}

/// Runs jobs in children and tells of each that has ended.
class Pool {
   public:
    /// Told of each job; false: those after it are not wanted any more.
    using Ended = std::function<bool(std::size_t index, JobOutcome outcome)>;

    Pool(const std::vector<Job>& jobs, const Runners& runners, Interrupts& interrupts,
         Progress& progress, Ended ended)
        : jobs_(jobs),
          runners_(runners),
          interrupts_(interrupts),
          progress_(progress),
          ended_(std::move(ended)) {}

    Result<void> run(unsigned parallel) {
        while (next_ < limit_ || !running_.empty()) {
            while (next_ < limit_ && running_.size() < parallel) start_next();
            wait();
            if (const int signal = interrupts_.caught(); signal != 0) {
                return fail(ErrorKind::unavailable,
                            fmt::format("stopped by SIG{}", ::sigabbrev_np(signal)));
            }
        }
        return {};
    }

   private:
    using Clock = std::chrono::steady_clock;

    struct Running {
        Child child;
        Clock::time_point since;
    };

    void start_next() {
        const std::size_t index = next_++;
        const auto now = Clock::now();
        auto child = Child::start(jobs_[index], runners_.at(jobs_[index].world), interrupts_);
        if (child) {
            running_.emplace(index, Running{.child = std::move(*child), .since = now});
        } else {
            finish(index, std::unexpected(child.error()), now);
        }
    }

    /// Until a child says something, a signal comes, or it is time to draw.
    void wait() {
        constexpr int redraw_ms = 200;
        std::vector<pollfd> waiting{
            {.fd = interrupts_.descriptor(), .events = POLLIN, .revents = 0}};
        std::vector<std::string> names;
        for (const auto& [index, job] : running_) {
            waiting.push_back({.fd = job.child.descriptor(), .events = POLLIN, .revents = 0});
            names.push_back(jobs_[index].name);
        }
        progress_.draw(names);
        // A failure (EINTR) only means to come again.
        if (::poll(waiting.data(), waiting.size(), redraw_ms) <= 0) return;
        std::vector<std::size_t> ended;
        std::size_t slot = 1;
        for (auto& [index, job] : running_) {
            if (waiting[slot++].revents == 0) continue;
            if (job.child.read()) ended.push_back(index);
            progress_.update(index, job.child.fraction());
        }
        for (const std::size_t index : ended) end(index);
    }

    void end(std::size_t index) {
        const auto job = running_.find(index);
        if (job == running_.end()) return;  // stopped meanwhile, because a job before it failed
        const Clock::time_point since = job->second.since;
        Result<RunReport> report = job->second.child.outcome();
        running_.erase(job);
        progress_.update(index, 1.0);
        finish(index, std::move(report), since);
    }

    void finish(std::size_t index, Result<RunReport> report, Clock::time_point since) {
        if (!report && report.error().kind == ErrorKind::unsupported)
            report = unavailable_report(jobs_[index], report.error().what);
        const std::chrono::nanoseconds wall = Clock::now() - since;
        if (ended_(index, {.report = std::move(report), .wall_ns = wall.count()})) return;
        limit_ = std::min(limit_, index + 1);
        running_.erase(running_.lower_bound(limit_), running_.end());  // ~Child kills
    }

    const std::vector<Job>& jobs_;
    const Runners& runners_;
    Interrupts& interrupts_;
    Progress& progress_;
    Ended ended_;
    std::map<std::size_t, Running> running_;  ///< by index of the job
    std::size_t next_ = 0;
    std::size_t limit_ = jobs_.size();  ///< jobs from here on are not wanted any more
};

}  // namespace

bool in_virtual_time(std::string_view world, const KernelOptions& kernel) {
    return world == "sim" || world == "control" || (world == "vm" && kernel.virtual_time);
}

Result<std::vector<RunReport>> run_jobs(const std::vector<Job>& jobs, const Runners& runners,
                                        unsigned parallel, Interrupts& interrupts,
                                        Progress& progress) {
    CHECK(parallel >= 1);
    std::vector<std::optional<Result<RunReport>>> outcomes(jobs.size());
    Pool pool(jobs, runners, interrupts, progress, [&](std::size_t index, JobOutcome outcome) {
        outcomes[index] = std::move(outcome.report);
        return outcomes[index]->has_value();
    });
    if (auto ran = pool.run(parallel); !ran) return std::unexpected(ran.error());
    std::vector<RunReport> reports;
    for (auto& outcome : outcomes) {
        // A failure has stopped the jobs after it, so it is met before a job without an outcome.
        CHECK(outcome.has_value());
        if (!*outcome) return std::unexpected(outcome->error());
        reports.push_back(std::move(**outcome));
    }
    return reports;
}

Result<void> run_each_job(const std::vector<Job>& jobs, const Runners& runners, unsigned parallel,
                          Interrupts& interrupts, Progress& progress, const JobEnded& ended) {
    CHECK(parallel >= 1);
    return Pool(jobs, runners, interrupts, progress,
                [&](std::size_t index, JobOutcome outcome) {
                    ended(index, std::move(outcome));
                    return true;
                })
        .run(parallel);
}

}  // namespace overlab::cli
