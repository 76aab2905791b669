// Numbers as people write them: 9.42 Gbit/s, 84.3 µs. For tables only; files hold integers in base
// units.
#pragma once

#include <cstdint>
#include <string>

#include "results/statistics.h"

namespace overlab {

enum class Unit : std::uint8_t {
    bits_per_second,
    nanoseconds,
    bytes,
    percent,
    ns_per_byte,
    ns_per_packet,
    count
};

/// The suffix of a unit in a JSON key: `bps`, `ns`, ...
[[nodiscard]] const char* key_suffix(Unit unit);

/// Three significant digits and a prefix that keeps the number between 1 and 1000.
[[nodiscard]] std::string format_quantity(double value, Unit unit);

/// `9.42 ± 0.03 Gbit/s`, both in the mean's scale; without the interval for a single run.
[[nodiscard]] std::string format_estimate(const Estimate& estimate, Unit unit);

}  // namespace overlab
