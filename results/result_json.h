// result.json: an experiment's result as one JSON document, described by results/schema.json.
//
// `deterministic` holds what every machine must reproduce byte for byte (its digest is printed),
// `machine` the rest; `captures` and `repeats` are there if they were asked for. Keys are sorted,
// numbers are integers with the unit in the key. An expectation's bound and measured value keep the
// metric's own unit and are the only numbers that may have a fraction.
#pragma once

#include <string>

#include "results/result.h"

namespace overlab {

inline constexpr int result_schema_version = 1;

/// The deterministic part alone, compact: what the digest is taken of.
[[nodiscard]] std::string deterministic_json(const ExperimentResult& result);

/// The whole document, indented, with a newline at the end.
[[nodiscard]] std::string result_json(const ExperimentResult& result, const MachineFacts& machine);

}  // namespace overlab
