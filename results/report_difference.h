// The first field in which two reports of one run differ.
#pragma once

#include <optional>
#include <string>

#include "models/measure/run_report.h"

namespace overlab {

/// `/flows/0/goodput_bps: 950 and 951` (a JSON pointer, then what is there in `first` and in
/// `second`, cut to a line); nothing if they are the same octet by octet in JSON.
[[nodiscard]] std::optional<std::string> report_difference(const RunReport& first,
                                                           const RunReport& second);

}  // namespace overlab
