// Kernel probes: each does in the calling thread's network namespace what the kernel world would,
// and leaves it there; so the namespace should be one that is thrown away.
#pragma once

#include <vector>

#include "models/base/error.h"
#include "real/doctor/capabilities.h"

namespace overlab::real {

struct KernelProbe {
    Feature feature;
    /// Errors are the kernel's own words.
    Result<void> (*run)();
};

/// Of every feature that is the kernel's and not a program's.
[[nodiscard]] const std::vector<KernelProbe>& kernel_probes();

}  // namespace overlab::real
