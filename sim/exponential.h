// Exponentially distributed durations from integer arithmetic: std::log differs in its last bits
// between processors, and a run must not.
#pragma once

#include <cstdint>

#include "models/base/rng.h"
#include "models/base/time.h"

namespace overlab::sim {

/// log2(x) * 2^24, rounded down; x > 0. Exact to one unit.
[[nodiscard]] std::uint64_t log2_q24(std::uint64_t x);

/// One draw with the given mean (>= 0, below 2^40 ns, 18 minutes); at most about 45 means.
[[nodiscard]] Duration exponential(Rng& rng, Duration mean);

}  // namespace overlab::sim
