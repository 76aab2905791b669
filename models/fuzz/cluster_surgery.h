// Cutting parts out of a scenario so that what is left is whole: indexes renumbered, what named the
// part gone with it.
#pragma once

#include <cstddef>

#include "models/scenario/scenario.h"

namespace overlab {

/// Without one host: its link, pods and flows go, and it is in no fault any more; faults about it
/// alone go. `host` runs a node and has exactly one link.
[[nodiscard]] Scenario without_host(const Scenario& scenario, std::size_t host);

/// Names faults `fault-1`, ... in their order, as a file would that names none, and sorts them.
void number_faults(Scenario& scenario);

}  // namespace overlab
