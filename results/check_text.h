// What `overlab check` prints for a person.
#pragma once

#include <string>

#include "results/check_outcome.h"

namespace overlab {

struct CheckTextOptions {
    bool colour = false;
    bool wall_time = false;  ///< never the same twice: only for a person who watches
};

/// One line a scenario, `ok      failures/link-down (4 runs)`; below it what is wrong.
[[nodiscard]] std::string check_text(const CheckedScenario& scenario,
                                     const CheckTextOptions& options);

}  // namespace overlab
