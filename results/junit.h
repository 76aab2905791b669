// JUnit XML, as CI systems read it: one testsuite a folder, one testcase a scenario and backend.
#pragma once

#include <string>
#include <vector>

#include "results/check_outcome.h"

namespace overlab {

/// The document. What XML 1.0 cannot hold (control characters) becomes '?'.
[[nodiscard]] std::string junit_xml(const std::vector<CheckedScenario>& scenarios);

}  // namespace overlab
