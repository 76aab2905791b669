// RunReport <-> JSON, one list of fields for both directions (report_fields.h). Used for
// result.json and for handing a report from the process that ran the world to the one that asked
// for it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/measure/run_report.h"

namespace overlab {

/// Keys in alphabetical order, integers only, units in the keys.
[[nodiscard]] nlohmann::json report_to_json(const RunReport& report);
[[nodiscard]] Result<RunReport> report_from_json(const nlohmann::json& json);

/// The same as one line of text.
[[nodiscard]] std::string encode_report(const RunReport& report);
/// Errors: invalid_argument naming the field that is missing or of another type.
[[nodiscard]] Result<RunReport> decode_report(std::string_view text);

}  // namespace overlab
