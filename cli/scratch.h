// Folders for the files of runs on a real kernel.
#pragma once

#include <optional>
#include <vector>

#include "cli/jobs.h"
#include "models/base/error.h"
#include "real/base/run_folder.h"

namespace overlab::cli {

/// Gives each job on a real kernel a folder of its own; nothing if there is no such job. Held here
/// and not by the children, so that it goes away even if they are killed; what is left of a killed
/// overlab is swept by the next one. Errors: unavailable.
[[nodiscard]] Result<std::optional<real::RunFolder>> place_scratch(std::vector<Job>& jobs);

}  // namespace overlab::cli
