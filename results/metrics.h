// The metrics that a comparison is made of: which columns a scenario's reports call for, and one
// run's value in each.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "models/measure/run_report.h"
#include "results/comparison.h"

namespace overlab {

struct ComparisonMetric {
    ComparisonColumn column;
    /// Nothing where the run has no such value (no answer ever arrived, never converged).
    std::function<std::optional<double>(const RunReport&)> value;
};

/// The metrics for runs that have the flows of `example`; flows are looked up by name.
[[nodiscard]] std::vector<ComparisonMetric> comparison_metrics(const RunReport& example);

}  // namespace overlab
