#include "results/statistics.h"

#include <array>
#include <cmath>

#include "models/base/check.h"

namespace overlab {

double student_t95(unsigned degrees) {
    CHECK(degrees >= 1);
    // Abramowitz & Stegun, table 26.10, column 0.975.
    static constexpr std::array<double, 30> table{
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
        2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
        2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
    if (degrees <= table.size()) return table[degrees - 1];
    // Beyond the table, the expansion around the normal quantile z (26.7.5): four exact digits.
    constexpr double z = 1.959964;
    constexpr double z3 = z * z * z;
    constexpr double z5 = z3 * z * z;
    const double n = degrees;
    return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

std::optional<Estimate> estimate(std::span<const double> samples) {
    if (samples.empty()) return std::nullopt;
    const auto count = static_cast<unsigned>(samples.size());
    double sum = 0;
    for (const double sample : samples) sum += sample;
    Estimate result{.mean = sum / count, .half_width = 0, .count = count};
    if (count > 1) {
        double squares = 0;
        for (const double sample : samples)
            squares += (sample - result.mean) * (sample - result.mean);
        const double deviation = std::sqrt(squares / (count - 1));
        result.half_width =
            student_t95(count - 1) * deviation / std::sqrt(static_cast<double>(count));
    }
    return result;
}

}  // namespace overlab
