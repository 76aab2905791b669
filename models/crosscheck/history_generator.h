// HistoryGenerator: draws histories. History `index` of a seed depends on these two numbers and
// nothing else.
#pragma once

#include <cstdint>

#include "models/crosscheck/history.h"

namespace overlab {

struct GeneratorOptions {
    std::size_t max_hosts = 5;   ///< 2..max_history_hosts
    std::size_t max_steps = 10;  ///< beside the start of every host
    bool wireguard = true;       ///< off where the kernel has none
};

[[nodiscard]] History generate_history(std::uint64_t seed, std::uint64_t index,
                                       const GeneratorOptions& options = {});

}  // namespace overlab
