#include "sim/world.h"

#include "sim/sim_world.h"

namespace overlab::sim {

Result<RunReport> run(const Scenario& scenario, const RunOptions& options) {
    OVERLAB_TRY(const auto world, SimWorld::build(scenario, options));
    world->run_until(scenario.duration.ns);
    if (auto captures = world->finish_captures(); !captures) {
        return std::unexpected(captures.error());
    }
    return world->report();
}

}  // namespace overlab::sim
