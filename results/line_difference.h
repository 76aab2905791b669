// Two texts as lines, and where they differ, as `diff -u` shows it: for people, so bounded.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace overlab {

struct DifferenceLimits {
    std::size_t context = 2;   ///< lines that are the same, around each difference
    std::size_t longest = 40;  ///< lines shown in all; what is left out is counted in a last one
};

struct LineDifference {
    std::size_t removed = 0, added = 0;
    /// `- ` removed, `+ ` added, `  ` the same; `...` between places that are apart. Empty if the
    /// two are the same.
    std::vector<std::string> lines;
};

/// From `before` to `after`, by a shortest edit script; removals first where both stand together.
[[nodiscard]] LineDifference line_difference(const std::vector<std::string>& before,
                                             const std::vector<std::string>& after,
                                             const DifferenceLimits& limits = {});

}  // namespace overlab
