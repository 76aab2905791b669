#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/check_plan.h"
#include "cli/check_run.h"
#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/report_problems.h"
#include "cli/terminal.h"
#include "cli/whole_file.h"
#include "results/check_json.h"
#include "results/check_text.h"
#include "results/junit.h"

namespace overlab::cli {
namespace {

/// Beside those of the other commands: nothing failed, but there is something to look at.
constexpr int exit_warnings = 3;

void declare_options(CLI::App& command, CheckOptions& options, Format& format) {
    command
        .add_option("path", options.paths,
                    "scenario files, or folders with scenarios in them and below")
        ->required()
        ->option_text("PATH...");
    command
        .add_option("--world", options.world,
                    "sim has goldens; control, kernel and vm check expectations and invariants")
        ->check(CLI::IsMember(std::vector<std::string>{"sim", "control", "kernel", "vm"}))
        ->option_text("WORLD (default: sim)");
    command.add_flag("--large", options.large,
                     "also scenarios that say of themselves that they are \"large\"");
    command.add_flag("--update", options.update,
                     "rewrite the goldens of scenarios that fail by nothing else");
    command.add_option("--junit", options.junit, "also write the outcome as JUnit XML")
        ->option_text("FILE");
    add_format_option(command, format);
    command
        .add_option("--jobs", options.jobs,
                    "runs at a time (default: one a core, on real kernels in wall time one; at "
                    "most two a core)")
        ->check(CLI::Range(1U, 1024U))
        ->option_text("N");
    add_kernel_options(command, options.kernel);
    command.add_flag("--no-progress", options.no_progress, "no progress line on the terminal");
}

Result<void> check_options(const CheckOptions& options, const Runners& runners) {
    const auto refuse = [](std::string why) {
        return fail(ErrorKind::invalid_argument, std::move(why));
    };
    if (!runners.contains(options.world))
        return refuse(fmt::format("--world {}: this program has no such world", options.world));
    if (options.update && !has_goldens(options))
        return refuse(fmt::format("--update: goldens are of world sim, not of {}", options.world));
    if (options.kernel.virtual_time && options.world != "vm")
        return refuse("--time virtual: only guest kernels can be told: add --world vm");
    return {};
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string paths_text(const CheckOptions& options) {
    return fmt::format("{}{}", options.large ? "--large " : "", fmt::join(options.paths, " "));
}

void print_summary(const CheckResult& result, const CheckPlan& plan, const CheckOptions& options) {
    const CheckTotals totals = CheckTotals::of(result.scenarios);
    fmt::print("\n{}, {}: {} ok, {} failed, {} with warnings",
               counted(totals.scenarios, "scenario", "scenarios"),
               counted(totals.runs, "run", "runs"), totals.passed, totals.failed, totals.warned);
    if (totals.broken > 0) fmt::print(", {} broken", totals.broken);
    if (totals.left_out > 0)
        fmt::print("; {} left out (--large runs them too)",
                   counted(totals.left_out, "large one", "large ones"));
    fmt::print("\n");
    for (const std::string& path : plan.ownerless)
        fmt::print("warning: {}: a golden without a scenario; remove it\n", path);
    if (!plan.not_scenarios.empty()) {
        fmt::print("{} passed over: no \"overlab\" and no \"include\" in {}\n",
                   counted(plan.not_scenarios.size(), "JSON file", "JSON files"),
                   plan.not_scenarios.size() == 1 ? "it" : "them");
    }
    if (!plan.with_golden)
        fmt::print("goldens are of world sim: rows and digests were compared with nothing\n");
    if (!result.digest.empty()) fmt::print("digest of all: {}\n", result.digest);
    if (totals.updated > 0)
        fmt::print("{} rewritten: review and commit\n",
                   counted(totals.updated, "golden", "goldens"));
    if (totals.golden_failures + totals.golden_missing > 0 && !options.update) {
        fmt::print(
            "to accept what the goldens do not have, after review: overlab check --update "
            "{}\n",
            paths_text(options));
    }
}

int exit_code_of(const CheckResult& result, const CheckPlan& plan) {
    const CheckTotals totals = CheckTotals::of(result.scenarios);
    if (totals.failed > 0) return static_cast<int>(ExitCode::expectation_failed);
    if (totals.broken > 0) return static_cast<int>(ExitCode::unusable);
    if (totals.warned > 0 || !plan.ownerless.empty()) return exit_warnings;
    return static_cast<int>(ExitCode::ok);
}

int run(const CheckOptions& options, Format format, const Runners& runners) {
    if (auto usable = check_options(options, runners); !usable)
        return report_error(usable.error().what, format);
    auto plan = plan_check(options);
    if (!plan) return report_error(plan.error().what, format);
    // What the summary needs; the rest belongs to the run.
    CheckPlan facts;
    facts.with_golden = plan->with_golden;
    facts.not_scenarios = plan->not_scenarios;
    facts.ownerless = plan->ownerless;

    const CheckTextOptions text{.colour = wants_colour(Stream::output),
                                .wall_time = is_terminal(Stream::output)};
    const auto checked = [&](const CheckedScenario& scenario) {
        if (format == Format::json) return;
        fmt::print("{}", check_text(scenario, text));
        std::fflush(stdout);
    };
    Interrupts interrupts;
    const auto result = run_check(std::move(*plan), options, runners, interrupts, checked);
    if (!result) {
        const int code = report_error(result.error().what, format);
        const int signal = interrupts.caught();
        return signal == 0 ? code : 128 + signal;
    }
    if (!options.junit.empty()) {
        if (auto written = write_whole_file(options.junit, junit_xml(result->scenarios)); !written)
            return report_error(written.error().what, format);
    }
    if (format == Format::json)
        fmt::print("{}", check_json(result->scenarios, result->digest));
    else
        print_summary(*result, facts, options);
    return exit_code_of(*result, facts);
}

}  // namespace

void add_check_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "check",
        "Run scenarios and hold them to what they expect, to the invariants and to goldens.");
    command->footer(
        "Examples:\n"
        "  overlab check scenarios/\n"
        "  overlab check scenarios/failures/ --junit check.xml\n"
        "  overlab check --update scenarios/two-racks.json\n\n"
        "Exit codes: 0 all well, 1 something failed, 2 bad input, a broken scenario among it, 3 "
        "nothing "
        "failed but there are warnings (no golden, something not measured).");
    const auto options = std::make_shared<CheckOptions>();
    const auto format = std::make_shared<Format>(Format::table);
    declare_options(*command, *options, *format);
    command->callback([options, format, &environment] {
        environment.exit_code = run(*options, *format, environment.runners);
    });
}

}  // namespace overlab::cli
