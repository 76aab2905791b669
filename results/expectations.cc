#include "results/expectations.h"

#include <algorithm>
#include <utility>

namespace overlab {
namespace {

bool within(double value, const Expectation& expectation) {
    return (!expectation.min || value >= *expectation.min) &&
           (!expectation.max || value <= *expectation.max);
}

}  // namespace

std::vector<ExpectationOutcome> evaluate_expectations(const Scenario& scenario,
                                                      const RunReport& run) {
    std::vector<ExpectationOutcome> outcomes;
    if (!run.unavailable.empty()) return outcomes;
    for (const Expectation& expectation : scenario.expect) {
        // What a world does not measure is nobody's failure; the table says which these are.
        if (std::ranges::find(run.unmeasured, expectation.metric) != run.unmeasured.end()) continue;
        if (!expectation.backend.empty() && expectation.backend != run.backend) continue;
        if (!expectation.world.empty() && expectation.world != run.world) continue;
        ExpectationOutcome outcome{.expectation = expectation,
                                   .backend = run.backend,
                                   .world = run.world,
                                   .seed = run.seed,
                                   .measured = std::nullopt,
                                   .problem = {},
                                   .met = false};
        if (const auto measured = metric(run, expectation.of, expectation.metric)) {
            outcome.measured = *measured;
            outcome.met = within(*measured, expectation);
        } else {
            outcome.problem = measured.error().what;
        }
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

}  // namespace overlab
