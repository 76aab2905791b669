#include "real/world/world.h"

#include "real/world/kernel_world.h"

namespace overlab::real {

Result<RunReport> run(const Scenario& scenario, const RunOptions& options) {
    OVERLAB_TRY(const auto world, KernelWorld::build(scenario, options));
    if (auto begun = world->begin(); !begun) return std::unexpected(begun.error());
    if (auto ended = world->run_to_end(); !ended) return std::unexpected(ended.error());
    return world->report();
}

}  // namespace overlab::real
