#include "results/expectations.h"

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
    for (const Expectation& expectation : scenario.expect) {
        if (!expectation.backend.empty() && expectation.backend != run.backend) continue;
        ExpectationOutcome outcome{.expectation = expectation,
                                   .backend = run.backend,
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
