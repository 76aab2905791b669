#include "results/check_outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "results/expectations.h"
#include "results/report_codec.h"

namespace overlab {
namespace {

using Kind = CheckFailure::Kind;

/// Of one run; more are counted.
constexpr std::size_t most_violations_shown = 8, most_rows_shown = 20;

std::string bounds_text(const Expectation& expectation) {
    if (expectation.min && expectation.max && *expectation.min == *expectation.max)
        return fmt::format("{}", *expectation.min);
    if (expectation.min && expectation.max)
        return fmt::format("{} to {}", *expectation.min, *expectation.max);
    return expectation.min ? fmt::format("at least {}", *expectation.min)
                           : fmt::format("at most {}", *expectation.max);
}

void judge_expectations(const Scenario& scenario, const RunReport& report, CheckedRun& run) {
    for (const ExpectationOutcome& outcome : evaluate_expectations(scenario, report)) {
        if (outcome.met) continue;
        const Expectation& expectation = outcome.expectation;
        std::string what = fmt::format("{} {}: ", expectation.of, expectation.metric);
        what += outcome.measured
                    ? fmt::format("{}, expected {}", *outcome.measured, bounds_text(expectation))
                    : fmt::format("expected {}; {}", bounds_text(expectation), outcome.problem);
        run.failures.push_back({Kind::expectation, std::move(what), {}});
    }
    std::vector<std::string> unmeasured;
    for (const Expectation& expectation : scenario.expect) {
        if (!expectation.world.empty() && expectation.world != report.world) continue;
        if (!expectation.backend.empty() && expectation.backend != report.backend) continue;
        if (std::ranges::find(report.unmeasured, expectation.metric) == report.unmeasured.end())
            continue;
        unmeasured.push_back(fmt::format("{} {}", expectation.of, expectation.metric));
    }
    if (!unmeasured.empty()) {
        run.warnings.push_back(fmt::format("expected but not measured in the {} world: {}",
                                           report.world, fmt::join(unmeasured, ", ")));
    }
}

/// A scenario that shows what goes wrong says so by expecting violations; that bound is then what
/// counts.
bool expects_violations(const Scenario& scenario, const RunReport& report) {
    return std::ranges::any_of(scenario.expect, [&](const Expectation& expectation) {
        return expectation.of == "network" && expectation.metric == "violations" &&
               expectation.min.value_or(0) > 0 &&
               (expectation.backend.empty() || expectation.backend == report.backend) &&
               (expectation.world.empty() || expectation.world == report.world);
    });
}

void judge_invariants(const Scenario& scenario, const RunReport& report, CheckedRun& run) {
    if (expects_violations(scenario, report)) return;
    constexpr double second_ns = 1e9;
    std::size_t shown = 0;
    for (const ViolationReport& violation : report.violations) {
        if (shown++ == most_violations_shown) {
            run.failures.push_back({Kind::invariant,
                                    fmt::format("{} violations in all", report.violations.size()),
                                    {}});
            return;
        }
        std::vector<std::string> rows = violation.rows;
        if (rows.size() > most_rows_shown) {
            const std::size_t left_out = rows.size() - most_rows_shown;
            rows.resize(most_rows_shown);
            rows.push_back(fmt::format("({} more rows)", left_out));
        }
        run.failures.push_back(
            {Kind::invariant,
             fmt::format("{} at {:.3f} s{}{}: {}", violation.invariant,
                         static_cast<double>(violation.at_ns) / second_ns,
                         violation.host.empty() ? "" : ", ", violation.host, violation.what),
             std::move(rows)});
    }
}

void judge_golden(const GoldenRun* golden, CheckedRun& run) {
    if (golden == nullptr) {
        run.warnings.emplace_back(golden_missing_text);
        run.warnings.insert(run.warnings.end(), run.now->warnings.begin(), run.now->warnings.end());
        return;
    }
    for (GoldenDifference& difference : golden_difference(*golden, *run.now))
        run.failures.push_back(
            {Kind::golden, std::move(difference.what), std::move(difference.lines)});
}

}  // namespace

std::string_view to_string(CheckFailure::Kind kind) {
    constexpr std::string_view names[] = {"expectation", "invariant", "golden", "run"};
    return names[static_cast<std::size_t>(kind)];
}

bool CheckedRun::fails_by(CheckFailure::Kind kind) const {
    return std::ranges::find(failures, kind, &CheckFailure::kind) != failures.end();
}

bool CheckedScenario::failed() const {
    return std::ranges::any_of(runs, [&](const CheckedRun& run) {
        return std::ranges::any_of(run.failures, [&](const CheckFailure& failure) {
            return !updated || failure.kind != Kind::golden;
        });
    });
}

bool CheckedScenario::warned() const {
    return !warnings.empty() ||
           std::ranges::any_of(runs, [](const CheckedRun& run) { return !run.warnings.empty(); });
}

std::int64_t CheckedScenario::wall_ns() const {
    return std::accumulate(
        runs.begin(), runs.end(), std::int64_t{0},
        [](std::int64_t sum, const CheckedRun& run) { return sum + run.wall_ns; });
}

CheckTotals CheckTotals::of(const std::vector<CheckedScenario>& scenarios) {
    CheckTotals totals;
    for (const CheckedScenario& scenario : scenarios) {
        if (scenario.left_out) {
            ++totals.left_out;
            continue;
        }
        if (!scenario.problems.empty()) {
            ++totals.broken;
            continue;
        }
        ++totals.scenarios;
        totals.runs += scenario.runs.size();
        ++(scenario.failed() ? totals.failed : scenario.warned() ? totals.warned : totals.passed);
        if (scenario.updated) ++totals.updated;
        for (const CheckedRun& run : scenario.runs) {
            if (scenario.updated) break;
            if (std::ranges::find(run.warnings, golden_missing_text) != run.warnings.end())
                ++totals.golden_missing;
            if (run.fails_by(Kind::golden)) ++totals.golden_failures;
        }
    }
    return totals;
}

CheckedRun judge_run(const Scenario& scenario, const RunReport& report, const GoldenRun* golden,
                     bool with_golden, const DigestFunction& sha256) {
    CheckedRun run;
    run.backend = report.backend;
    run.world = report.world;
    if (report.unavailable.empty()) {
        if (report.virtual_time) run.digest = sha256(encode_report(report));
        judge_expectations(scenario, report, run);
        judge_invariants(scenario, report, run);
    }
    if (with_golden) {
        run.now = golden_of(report, sha256);
        judge_golden(golden, run);
    } else {
        run.warnings.insert(run.warnings.end(), report.warnings.begin(), report.warnings.end());
    }
    const bool reviewed = golden != nullptr && with_golden;
    if (!report.unavailable.empty() && !reviewed)
        run.warnings.push_back(fmt::format("not run: {}", report.unavailable));
    return run;
}

}  // namespace overlab
