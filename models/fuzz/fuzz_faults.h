// Random faults for a cluster that is drawn already.
#pragma once

#include "models/base/rng.h"
#include "models/fuzz/fuzz_scenario.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// `count` faults between the hosts' boot and `end`, all over by then; sorted and numbered.
void draw_faults(Scenario& scenario, Rng rng, std::size_t count, Duration end);

}  // namespace overlab
