#include "cli/fuzz_seeds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "models/fuzz/shrink_scenario.h"
#include "models/scenario/scenario_text.h"
#include "results/units.h"

namespace overlab::cli {
namespace {

std::string words(const ViolationReport& violation) {
    std::string text = fmt::format("{} at {} ns", violation.invariant, violation.at_ns);
    if (!violation.host.empty()) text += fmt::format(", {}", violation.host);
    text += fmt::format(": {}", violation.what);
    constexpr std::size_t most_rows = 12;
    for (std::size_t i = 0; i < std::min(most_rows, violation.rows.size()); ++i)
        text += "\n  " + violation.rows[i];
    if (violation.rows.size() > most_rows)
        text += fmt::format("\n  ... and {} more rows", violation.rows.size() - most_rows);
    return text;
}

std::size_t node_count(const Scenario& scenario) {
    return static_cast<std::size_t>(
        std::ranges::count_if(scenario.underlay.nodes, [](const UnderlayNode& node) {
            return node.kind == UnderlayNode::Kind::host && node.runs_node;
        }));
}

}  // namespace

FuzzFinding FuzzSeeds::describe(const Scenario& scenario, const ViolationReport& violation) const {
    Scenario saved = scenario;
    saved.description = fmt::format("Found by overlab fuzz, seed {}: {}", scenario.seed,
                                    words(violation).substr(0, words(violation).find('\n')));
    return {.seed = scenario.seed,
            .invariant = violation.invariant,
            .what = words(violation),
            .faults = scenario.faults.size(),
            .hosts = node_count(scenario),
            .scenario = encode_scenario(saved)};
}

FuzzFinding FuzzSeeds::shrunk(const Scenario& scenario, const ViolationReport& violation,
                              bool apart) const {
    const auto verdict = [&](const Scenario& candidate) {
        return apart ? judge_->run_apart(candidate) : judge_->run(candidate);
    };
    // Another invariant would be another finding.
    const auto fails = [&](const Scenario& candidate) {
        const auto judged = verdict(candidate);
        return judged && judged->violation && judged->violation->invariant == violation.invariant;
    };
    const ShrunkScenario small = shrink_scenario(scenario, fails);
    const auto last = verdict(small.scenario);
    const bool still = last && last->violation;
    FuzzFinding finding = describe(small.scenario, still ? *last->violation : violation);
    finding.tries = small.tries;
    finding.minimal = small.minimal;
    return finding;
}

Result<SeedOutcome> FuzzSeeds::run(std::uint64_t seed, bool shrink) const {
    const Scenario scenario = draw_scenario(seed, *options_);
    OVERLAB_TRY(const FuzzVerdict verdict, judge_->run(scenario));
    SeedOutcome outcome{.faults = scenario.faults.size(),
                        .events = verdict.events,
                        .run_twice = seed % twice_every == 0};
    if (verdict.violation) {
        outcome.finding = shrink ? shrunk(scenario, *verdict.violation, false)
                                 : describe(scenario, *verdict.violation);
    } else if (outcome.run_twice) {
        OVERLAB_TRY(const FuzzVerdict again, judge_->run(scenario));
        if (again.digest != verdict.digest || again.events != verdict.events) {
            outcome.finding = describe(
                scenario,
                {.invariant = "not_deterministic",
                 .what = fmt::format("digests {:016x} and {:016x}, {} and {} events",
                                     verdict.digest, again.digest, verdict.events, again.events)});
        }
    }
    return outcome;
}

FuzzFinding FuzzSeeds::stuck(std::uint64_t seed, const std::string& invariant,
                             const std::string& what) const {
    return describe(draw_scenario(seed, *options_), {.invariant = invariant, .what = what});
}

FuzzFinding FuzzSeeds::shrink_deadly(FuzzFinding finding) const {
    const Scenario scenario = draw_scenario(finding.seed, *options_);
    const ViolationReport violation{.invariant = finding.invariant, .what = finding.what};
    return shrunk(scenario, violation, true);
}

}  // namespace overlab::cli
