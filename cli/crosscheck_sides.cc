#include "cli/crosscheck_sides.h"

#include <utility>

#include "real/crosscheck/netns_side.h"
#include "sim/sim_cross_side.h"

namespace overlab::cli {

Result<CrossSides> make_cross_sides(const std::filesystem::path& scratch) {
    OVERLAB_TRY(std::unique_ptr<KernelSide> kernel, real::make_netns_side({.key_folder = scratch}));
    return CrossSides{.sim = std::make_unique<sim::SimCrossSide>(), .kernel = std::move(kernel)};
}

}  // namespace overlab::cli
