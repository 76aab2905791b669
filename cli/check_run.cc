#include "cli/check_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/digest.h"
#include "cli/experiment_plan.h"
#include "cli/progress.h"
#include "cli/scratch.h"
#include "cli/whole_file.h"

namespace overlab::cli {
namespace {

unsigned parallel_jobs(const CheckOptions& options) {
    ExperimentOptions experiment;
    experiment.worlds = {options.world};
    experiment.kernel = options.kernel;
    experiment.jobs = options.jobs;
    return parallel_jobs(experiment);
}

std::string strip_prefix(std::string text, const std::string& prefix) {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

class Check {
   public:
    Check(CheckPlan plan, const CheckOptions& options, const ScenarioChecked& checked,
          Progress& progress)
        : plan_(std::move(plan)), options_(options), checked_(checked), progress_(progress) {
        for (PlannedScenario& planned : plan_.scenarios) {
            left_.push_back(planned.job_count);
            planned.outcome.runs.resize(planned.job_count);
        }
    }

    Result<CheckResult> run(const Runners& runners, Interrupts& interrupts) {
        OVERLAB_TRY(const auto scratch, place_scratch(plan_.jobs));
        tell_finished();
        const auto ended = [&](std::size_t index, JobOutcome outcome) {
            judge(index, std::move(outcome));
            tell_finished();
        };
        if (auto ran = run_each_job(plan_.jobs, runners, parallel_jobs(options_), interrupts,
                                    progress_, ended);
            !ran)
            return std::unexpected(ran.error());
        if (auto written = write_goldens(); !written) return std::unexpected(written.error());
        CheckResult result;
        result.digest = digest_of_all();
        for (PlannedScenario& planned : plan_.scenarios)
            result.scenarios.push_back(std::move(planned.outcome));
        return result;
    }

   private:
    void judge(std::size_t index, JobOutcome outcome) {
        const std::size_t owner = plan_.owners[index];
        PlannedScenario& planned = plan_.scenarios[owner];
        Job& job = plan_.jobs[index];
        const std::string backend(backend_name(job.scenario.network.backend));
        CheckedRun run;
        if (outcome.report) {
            const GoldenRun* golden = planned.golden ? planned.golden->find(backend) : nullptr;
            run = judge_run(job.scenario, *outcome.report, golden, plan_.with_golden, sha256);
        } else {
            run.failures.push_back(
                {.kind = CheckFailure::Kind::run,
                 .what = strip_prefix(outcome.report.error().what, job.name + ": "),
                 .lines = {}});
        }
        run.backend = backend;
        run.world = job.world;
        run.wall_ns = outcome.wall_ns;
        planned.outcome.runs[index - planned.first_job] = std::move(run);
        job.scenario = {};  // hundreds of large ones need not be there at once
        --left_[owner];
    }

    void tell_finished() {
        for (; told_ < left_.size() && left_[told_] == 0; ++told_) {
            PlannedScenario& planned = plan_.scenarios[told_];
            finish(planned);
            progress_.clear();
            checked_(planned.outcome);
        }
    }

    /// What can be said only when all of a scenario's runs are there.
    void finish(PlannedScenario& planned) const {
        CheckedScenario& outcome = planned.outcome;
        if (!plan_.with_golden || planned.job_count == 0) return;
        const bool stands_by_itself = std::ranges::none_of(outcome.runs, [](const auto& run) {
            return std::ranges::any_of(run.failures, [](const CheckFailure& failure) {
                return failure.kind != CheckFailure::Kind::golden;
            });
        });
        if (options_.update && stands_by_itself) {
            outcome.updated = planned.golden != golden_now(planned);
            return;
        }
        if (options_.update)
            outcome.warnings.emplace_back("the golden stays as it was, because a run failed");
        if (!planned.golden) return;
        for (const GoldenRun& recorded : planned.golden->runs) {
            if (std::ranges::find(outcome.runs, recorded.backend, &CheckedRun::backend) ==
                outcome.runs.end()) {
                outcome.warnings.push_back(
                    fmt::format("the golden has {}, which is not run any more", recorded.backend));
            }
        }
    }

    static Golden golden_now(const PlannedScenario& planned) {
        Golden golden;
        for (const CheckedRun& run : planned.outcome.runs) golden.runs.push_back(*run.now);
        return golden;
    }

    Result<void> write_goldens() const {
        for (const PlannedScenario& planned : plan_.scenarios) {
            if (!planned.outcome.updated) continue;
            const std::string command =
                fmt::format("overlab check --update {}.json", planned.file.name);
            if (auto written = write_whole_file(planned.file.golden_path(),
                                                golden_text(golden_now(planned), command));
                !written)
                return written;
        }
        return {};
    }

    [[nodiscard]] std::string digest_of_all() const {
        if (!in_virtual_time(options_.world, options_.kernel)) return {};
        std::string lines;
        for (const PlannedScenario& planned : plan_.scenarios) {
            for (const CheckedRun& run : planned.outcome.runs) {
                lines += fmt::format("{}/{} {} {} {}\n", planned.file.folder, planned.file.name,
                                     run.backend, run.world, run.digest);
            }
        }
        return sha256(lines);
    }

    CheckPlan plan_;
    const CheckOptions& options_;
    const ScenarioChecked& checked_;
    Progress& progress_;
    std::vector<std::size_t> left_;  ///< jobs of each scenario that have not ended
    std::size_t told_ = 0;           ///< scenarios before it have been told
};

}  // namespace

Result<CheckResult> run_check(CheckPlan plan, const CheckOptions& options, const Runners& runners,
                              Interrupts& interrupts, const ScenarioChecked& checked) {
    Progress progress(plan.jobs.size(), !options.no_progress);
    return Check(std::move(plan), options, checked, progress).run(runners, interrupts);
}

}  // namespace overlab::cli
