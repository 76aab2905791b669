// Includes: puts a scenario together from the files it names in `include`. The bases are merged in
// the order listed, the including file last: objects key by key, everything else replaced by the
// later value. Every value keeps the place in the file that it came from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/scenario/located_json.h"
#include "models/scenario/problem_list.h"
#include "models/scenario/scenario.h"

namespace overlab {

inline constexpr std::size_t max_include_depth = 8;
inline constexpr std::size_t max_included_files = 64;

/// The merged document, without `include`. Nothing if any file could not be read (see `problems`).
[[nodiscard]] std::optional<LocatedValue> load_with_includes(std::string_view text,
                                                             const std::string& file,
                                                             const IncludeReader& include,
                                                             ProblemList& problems);

/// `target` as written in a file at `from`, with `.` and `..` resolved: "a/b.json" + "../c.json" is
/// "c.json".
[[nodiscard]] std::string resolve_path(std::string_view from, std::string_view target);

}  // namespace overlab
