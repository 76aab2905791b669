// flows.csv: one line a flow and run, for spreadsheets and plotting (RFC 4180; the first line names
// columns).
#pragma once

#include <string>
#include <vector>

#include "models/measure/run_report.h"

namespace overlab {

[[nodiscard]] std::string flows_csv(const std::vector<RunReport>& runs);

}  // namespace overlab
