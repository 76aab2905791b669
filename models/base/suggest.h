// "Did you mean": the known word nearest to a mistyped one, for messages about unknown keys and
// names. Distance: edits (insert, remove, replace, swap of neighbours, one each), letters compared
// without case.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace overlab {

/// How many single edits turn `a` into `b` (optimal string alignment), ASCII case ignored. Words
/// longer than 64 bytes are compared by their first 64.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known word nearest to `word`, as written in `known`; the first of several equally near.
/// Empty if none is near enough to be a plausible slip: more than a third of the longer word would
/// have to change.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string_view> known);

/// ` (did you mean "port"?)` for use at the end of a message, or empty.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string_view> known);

}  // namespace overlab
