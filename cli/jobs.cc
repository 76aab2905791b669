#include "cli/jobs.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
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

class Pool {
   public:
    Pool(const std::vector<Job>& jobs, const Runners& runners, Interrupts& interrupts,
         Progress& progress)
        : jobs_(jobs),
          runners_(runners),
          interrupts_(interrupts),
          progress_(progress),
          outcomes_(jobs.size()) {}

    Result<std::vector<RunReport>> run(unsigned parallel) {
        while (next_ < limit_ || !running_.empty()) {
            while (next_ < limit_ && running_.size() < parallel) start_next();
            wait();
            if (const int signal = interrupts_.caught(); signal != 0) {
                return fail(ErrorKind::unavailable,
                            fmt::format("stopped by SIG{}", ::sigabbrev_np(signal)));
            }
        }
        std::vector<RunReport> reports;
        for (auto& outcome : outcomes_) {
            // A failure has stopped the jobs after it, so it is met before a job without an
            // outcome.
            CHECK(outcome.has_value());
            if (!*outcome) return std::unexpected(outcome->error());
            reports.push_back(std::move(**outcome));
        }
        return reports;
    }

   private:
    void start_next() {
        const std::size_t index = next_++;
        auto child = Child::start(jobs_[index], runners_.at(jobs_[index].world), interrupts_);
        if (child) {
            running_.emplace(index, std::move(*child));
        } else {
            finish(index, std::unexpected(child.error()));
        }
    }

    /// Until a child says something, a signal comes, or it is time to draw.
    void wait() {
        constexpr int redraw_ms = 200;
        std::vector<pollfd> waiting{
            {.fd = interrupts_.descriptor(), .events = POLLIN, .revents = 0}};
        std::vector<std::string> names;
        for (const auto& [index, child] : running_) {
            waiting.push_back({.fd = child.descriptor(), .events = POLLIN, .revents = 0});
            names.push_back(jobs_[index].name);
        }
        progress_.draw(names);
        // A failure (EINTR) only means to come again.
        if (::poll(waiting.data(), waiting.size(), redraw_ms) <= 0) return;
        std::vector<std::size_t> ended;
        std::size_t slot = 1;
        for (auto& [index, child] : running_) {
            if (waiting[slot++].revents == 0) continue;
            if (child.read()) ended.push_back(index);
            progress_.update(index, child.fraction());
        }
        for (const std::size_t index : ended) end(index);
    }

    void end(std::size_t index) {
        const auto child = running_.find(index);
        if (child == running_.end()) return;  // stopped meanwhile, because a job before it failed
        Result<RunReport> outcome = child->second.outcome();
        running_.erase(child);
        progress_.update(index, 1.0);
        finish(index, std::move(outcome));
    }

    void finish(std::size_t index, Result<RunReport> outcome) {
        if (!outcome && outcome.error().kind == ErrorKind::unsupported)
            outcome = unavailable_report(jobs_[index], outcome.error().what);
        if (!outcome) {
            limit_ = std::min(limit_, index + 1);
            running_.erase(running_.lower_bound(limit_), running_.end());  // ~Child kills
        }
        outcomes_[index] = std::move(outcome);
    }

    const std::vector<Job>& jobs_;
    const Runners& runners_;
    Interrupts& interrupts_;
    Progress& progress_;
    std::vector<std::optional<Result<RunReport>>> outcomes_;
    std::map<std::size_t, Child> running_;  ///< by index of the job
    std::size_t next_ = 0;
    std::size_t limit_ = jobs_.size();  ///< jobs from here on are not wanted any more
};

}  // namespace

bool in_virtual_time(std::string_view world, const KernelOptions& kernel) {
    return world == "sim" || (world == "vm" && kernel.virtual_time);
}

Result<std::vector<RunReport>> run_jobs(const std::vector<Job>& jobs, const Runners& runners,
                                        unsigned parallel, Interrupts& interrupts,
                                        Progress& progress) {
    CHECK(parallel >= 1);
    return Pool(jobs, runners, interrupts, progress).run(parallel);
}

}  // namespace overlab::cli
