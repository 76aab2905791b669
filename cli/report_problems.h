// Says what stands in the way: as lines on standard error, or as the one JSON document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/experiment.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

/// Each problem once: `file:line:col: pointer: message`. Returns ExitCode::unusable as an int.
int report_problems(const std::vector<Problem>& problems, Format format);

/// One sentence, `overlab: ` before it. Returns ExitCode::unusable as an int.
int report_error(std::string_view what, Format format);

}  // namespace overlab::cli
