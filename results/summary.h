// Summaries for people: what `compare` and `run` print and what summary.txt holds.
#pragma once

#include <cstdint>
#include <string>

#include "results/comparison.h"
#include "results/result.h"
#include "results/table.h"

namespace overlab {

/// The comparison as a table: backends down, metrics across (turned over if that is too wide), `*`
/// on the best, each other's difference to it; below it unreachable pairs with their reasons, then
/// warnings.
[[nodiscard]] std::string comparison_text(const Comparison& comparison,
                                          const TableOptions& options);

/// One run in detail: its flows and its hosts' figures.
[[nodiscard]] std::string run_text(const RunReport& run, const TableOptions& options);

/// A line for each run: `repeats: 5 of 5 identical (vxlan, seed 1)`, and one for each difference.
/// Empty without repeats.
[[nodiscard]] std::string repeats_text(const ExperimentResult& result);

enum class Listed : std::uint8_t { all, unmet };

/// How many expectations are met, then a line for each, or for each that is not: `ok` or `FAILED`
/// with what was measured. Empty without expectations.
[[nodiscard]] std::string expectations_text(const ExperimentResult& result, bool colour,
                                            Listed listed);

}  // namespace overlab
