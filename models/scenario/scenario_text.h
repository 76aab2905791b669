// A scenario as the text of a file: what parse_scenario() reads back.
#pragma once

#include <string>

#include "models/scenario/scenario.h"

namespace overlab {

/// Pretty-printed JSON with its keys in the order in which a person would write them; ends with a
/// line break. Generated nodes, links and flows are written out one by one.
[[nodiscard]] std::string encode_scenario(const Scenario& scenario);

}  // namespace overlab
