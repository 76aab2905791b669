#include "cli/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "cli/digest.h"
#include "cli/experiment_plan.h"
#include "cli/repeats.h"
#include "cli/report_problems.h"
#include "cli/result_directory.h"
#include "cli/scenario_file.h"
#include "cli/scratch.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "results/comparison.h"
#include "results/expectations.h"
#include "results/flows_csv.h"
#include "results/result_json.h"
#include "results/summary.h"

namespace overlab::cli {
namespace {

std::string default_directory(const Scenario& scenario) {
    return (std::filesystem::path("overlab-out") / scenario.name).string();
}

ExperimentResult judged(const Scenario& scenario, const ExperimentPlan& plan,
                        std::vector<RunReport> reports) {
    ExperimentResult result{.scenario = scenario.name,
                            .description = scenario.description,
                            .worlds = plan.worlds,
                            .backends = plan.backends,
                            .seeds = plan.seeds,
                            .runs = std::move(reports),
                            .expectations = {},
                            .captures = {},
                            .repeats = {}};
    for (const RunReport& run : result.runs) {
        for (auto& outcome : evaluate_expectations(scenario, run))
            result.expectations.push_back(std::move(outcome));
    }
    return result;
}

/// What is to be said if no run came of it at all: each reason once.
std::optional<std::string> nothing_ran(const std::vector<RunReport>& runs) {
    std::vector<std::pair<std::string, std::string>> reasons;  // and whose they are
    for (const RunReport& run : runs) {
        if (run.unavailable.empty()) return std::nullopt;
        const std::string name = fmt::format("{} ({} world)", run.backend, run.world);
        const auto known = std::ranges::find(reasons, run.unavailable,
                                             &std::pair<std::string, std::string>::first);
        if (known == reasons.end()) {
            reasons.emplace_back(run.unavailable, name);
        } else if (!known->second.contains(name)) {
            known->second += ", " + name;
        }
    }
    std::string all;
    for (const auto& [why, whose] : reasons)
        all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", whose, why);
    return all;
}

Result<MachineFacts> machine_facts(const ExperimentOptions& options, const ScenarioFile& file) {
    MachineFacts facts;
    OVERLAB_TRY(facts.program_sha256, program_sha256());
    facts.overlab_version = version();
    facts.compiler = compiler();
    facts.scenario_file = options.scenario_file;
    facts.scenario_sha256 = file.sha256;
    facts.jobs = parallel_jobs(options);
    return facts;
}

Result<void> write_files(const ExperimentResult& result, const std::string& json,
                         ResultDirectory& directory) {
    const std::string summary =
        comparison_text(compare(result.runs), {}) + expectations_text(result, false, Listed::all) +
        (result.repeats.empty() ? std::string() : "\n" + repeats_text(result));
    const std::map<const char*, std::string> files{
        {"result.json", json}, {"flows.csv", flows_csv(result.runs)}, {"summary.txt", summary}};
    for (const auto& [name, text] : files) {
        if (auto written = directory.write(name, text); !written) return written;
    }
    return directory.commit();
}

void print_tables(const ExperimentResult& result, const std::vector<Problem>& warnings,
                  Selection selection) {
    // A comparison's table is what counts; the folder has the whole list.
    const Listed listed = selection == Selection::own ? Listed::all : Listed::unmet;
    TableOptions options{.colour = wants_colour(Stream::output)};
    if (is_terminal(Stream::output)) options.width = terminal_width(Stream::output);
    if (selection == Selection::own && result.runs.size() == 1) {
        fmt::print("{}\n", run_text(result.runs.front(), options));
    }
    fmt::print("{}", comparison_text(compare(result.runs), options));
    for (const Problem& warning : warnings) fmt::print("  {}\n", warning.to_string());
    fmt::print("{}", expectations_text(result, options.colour, listed));
    if (!result.repeats.empty()) fmt::print("\n{}", repeats_text(result));
}

bool all_alike(const ExperimentResult& result) {
    return std::ranges::all_of(
        result.repeats, [](const RepeatOutcome& run) { return run.identical == run.repeats; });
}

int exit_code_of(const ExperimentResult& result) {
    ExitCode code = ExitCode::ok;
    for (const ExpectationOutcome& outcome : result.expectations) {
        if (!outcome.measured) return static_cast<int>(ExitCode::unusable);
        if (!outcome.met) code = ExitCode::expectation_failed;
    }
    if (!all_alike(result)) code = ExitCode::expectation_failed;
    return static_cast<int>(code);
}

/// One experiment from its plan on; the steps share the folder, which goes away unless it is
/// committed.
class Experiment {
   public:
    Experiment(const ExperimentOptions& options, const ScenarioFile& file, ExperimentPlan plan)
        : options_(options), file_(file), plan_(std::move(plan)) {}

    Result<ExperimentResult> run(const Runners& runners, Interrupts& interrupts) {
        const std::string path =
            options_.out.empty() ? default_directory(file_.scenario) : options_.out;
        OVERLAB_TRY(ResultDirectory directory, ResultDirectory::create(path));
        OVERLAB_TRY(MachineFacts machine, machine_facts(options_, file_));
        if (options_.capture) {
            if (auto placed = place_captures(plan_.jobs, directory); !placed)
                return std::unexpected(placed.error());
        }
        std::error_code failure;
        for (Job& job : plan_.jobs) {
            job.options.kernel.scenario_file =
                std::filesystem::absolute(options_.scenario_file, failure).string();
        }
        OVERLAB_TRY(const auto scratch, place_scratch(plan_.jobs));
        const auto start = std::chrono::steady_clock::now();
        OVERLAB_TRY(auto reports, run_all(runners, interrupts, machine.jobs));
        machine.wall_ns =
            std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
        if (const auto why = nothing_ran(reports)) return fail(ErrorKind::unsupported, *why);
        OVERLAB_TRY(ExperimentResult result, result_of(std::move(reports), directory));
        machine.deterministic_sha256 = sha256(deterministic_json(result));
        digest_ = machine.deterministic_sha256;
        json_ = result_json(result, machine);
        path_ = directory.path();
        if (auto written = write_files(result, json_, directory); !written)
            return std::unexpected(written.error());
        return result;
    }

    [[nodiscard]] const std::string& json() const { return json_; }
    [[nodiscard]] const std::string& digest() const { return digest_; }
    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    /// Every run judged by its first repeat.
    Result<ExperimentResult> result_of(std::vector<RunReport> reports,
                                       const ResultDirectory& directory) const {
        std::vector<RepeatOutcome> repeats;
        if (plan_.repeats > 1) {
            OVERLAB_TRY(repeats, compare_repeats(plan_.jobs, reports, directory));
        }
        ExperimentResult result =
            judged(file_.scenario, plan_, first_reports(plan_.jobs, std::move(reports)));
        result.repeats = std::move(repeats);
        OVERLAB_TRY(result.captures, list_captures(plan_.jobs));
        return result;
    }

    Result<std::vector<RunReport>> run_all(const Runners& runners, Interrupts& interrupts,
                                           unsigned parallel) {
        Progress progress(plan_.jobs.size(), !options_.no_progress);
        return run_jobs(plan_.jobs, runners, parallel, interrupts, progress);
    }

    const ExperimentOptions& options_;
    const ScenarioFile& file_;
    ExperimentPlan plan_;
    std::string json_, digest_, path_;
};

}  // namespace

int run_experiment(const ExperimentOptions& options, Selection selection, const Runners& runners) {
    const auto file = load_scenario(options.scenario_file);
    if (!file) return report_problems(file.error(), options.format);
    auto plan = plan_experiment(file->scenario, options, selection);
    if (!plan) return report_error(plan.error().what, options.format);

    Interrupts interrupts;
    Experiment experiment(options, *file, std::move(*plan));
    const auto result = experiment.run(runners, interrupts);
    if (!result) {
        const int code = report_error(result.error().what, options.format);
        const int signal = interrupts.caught();
        return signal == 0 ? code : 128 + signal;
    }
    if (options.format == Format::json) {
        fmt::print("{}", experiment.json());
    } else {
        print_tables(*result, file->warnings, selection);
        fmt::print("\n{}: result.json, flows.csv, summary.txt{}{}\n", experiment.path(),
                   options.capture ? ", captures/" : "", all_alike(*result) ? "" : ", repeats/");
        // Real time never gives the same numbers twice.
        if (reproducible(*result))
            fmt::print("sha256 of the deterministic part: {}\n", experiment.digest());
    }
    return exit_code_of(*result);
}

}  // namespace overlab::cli
