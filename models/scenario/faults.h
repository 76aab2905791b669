// Faults as a scenario file spells them; docs/faults.md has the table of kinds and keys.
#pragma once

#include <vector>

#include "models/scenario/json_cursor.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// `faults`: sorted by time, then name (`fault-9` before `fault-10`). The underlay, the network,
/// `compare` and the traffic have been read.
[[nodiscard]] std::vector<FaultSpec> read_faults(const JsonCursor& faults,
                                                 const Scenario& scenario);

}  // namespace overlab
