// A packet's walk as JSON: what `trace --format json` prints.
#pragma once

#include <string>

#include "models/forwarding/packet_walk.h"

namespace overlab {

/// One document: `there`, `back` (null if the packet never arrived), each with its steps and
/// disposition.
[[nodiscard]] std::string round_trip_json(const Walk& there, const Walk* back);

}  // namespace overlab
