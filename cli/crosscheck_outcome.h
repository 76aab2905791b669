// CrosscheckOutcome: what came of some histories, and how the guest that ran them tells it: lines
// of JSON in a file, the last of them the counts. Progress goes to standard output: `p DONE COUNT`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/crosscheck/crosscheck.h"

namespace overlab::cli {

struct CrosscheckFinding {
    std::uint64_t index = 0;  ///< of the history; 0 if it came from a file
    std::string difference;   ///< in words
    History history;          ///< as drawn, or shrunk
    std::size_t tries = 0;    ///< shrinking; 0: not shrunk
    bool minimal = false;

    friend bool operator==(const CrosscheckFinding&, const CrosscheckFinding&) = default;
};

struct CrosscheckOutcome {
    std::vector<CrosscheckFinding> findings;  ///< ascending by index
    CrosscheckCounts counts;

    friend bool operator==(const CrosscheckOutcome&, const CrosscheckOutcome&) = default;
};

[[nodiscard]] std::string encode_outcome(const Result<CrosscheckOutcome>& outcome);
/// Errors: the guest's own; unavailable if the text has no end.
[[nodiscard]] Result<CrosscheckOutcome> decode_outcome(std::string_view text);

}  // namespace overlab::cli
