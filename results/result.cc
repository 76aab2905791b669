#include "results/result.h"

#include <algorithm>

namespace overlab {

bool reproducible(const ExperimentResult& result) {
    // What sim cannot run, it can run nowhere; what a guest cannot depends on the machine.
    return std::ranges::all_of(result.runs, [](const RunReport& run) {
        return run.virtual_time && (run.unavailable.empty() || run.world == "sim");
    });
}

}  // namespace overlab
