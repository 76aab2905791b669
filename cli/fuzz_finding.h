// FuzzFinding: a seed whose scenario failed, as a worker tells it: a line of JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::cli {

struct FuzzFinding {
    std::uint64_t seed = 0;
    std::string invariant;  ///< or `program_died`, `not_deterministic`, `never_ends`
    std::string what;       ///< when, where and what, in words; several lines
    std::size_t faults = 0, hosts = 0;
    std::size_t tries = 0;  ///< of making it smaller
    bool minimal = false;
    std::string scenario;  ///< the text of a scenario file: shrunk, or as drawn

    friend bool operator==(const FuzzFinding&, const FuzzFinding&) = default;
};

[[nodiscard]] std::string encode_finding(
    const FuzzFinding& finding);  ///< one line, without its end
/// Errors: invalid_argument.
[[nodiscard]] Result<FuzzFinding> decode_finding(std::string_view line);

}  // namespace overlab::cli
