// Mean and confidence interval over runs that differ in their seed only.
#pragma once

#include <optional>
#include <span>

namespace overlab {

struct Estimate {
    double mean = 0;
    double half_width = 0;  ///< of the 95 % confidence interval; 0 for a single run
    unsigned count = 0;

    friend bool operator==(const Estimate&, const Estimate&) = default;
};

/// Nothing for no samples. The interval is Student's: mean +- t * s / sqrt(n).
[[nodiscard]] std::optional<Estimate> estimate(std::span<const double> samples);

/// The two-sided 95 % quantile of Student's t distribution. degrees >= 1.
[[nodiscard]] double student_t95(unsigned degrees);

}  // namespace overlab
