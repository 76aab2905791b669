// UmlLock: one builder or cleaner of User-mode Linux kernels at a time in a cache folder.
#pragma once

#include <filesystem>
#include <functional>

#include "models/base/error.h"
#include "real/base/fd.h"

namespace overlab::real {

/// Held until it is closed here and in every child that was started meanwhile: children inherit
/// it, so that a build whose `overlab` was killed keeps others out until its last compiler is gone.
/// While somebody else holds it, calls `go_on` five times a second; false gives up. Errors:
/// already_exists (gave up), unavailable (the file cannot be opened).
[[nodiscard]] Result<Fd> take_uml_lock(const std::filesystem::path& cache,
                                       const std::function<bool()>& go_on);

}  // namespace overlab::real
