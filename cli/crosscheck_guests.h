// Runs histories in guest kernels, several guests at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/crosscheck_outcome.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "models/base/error.h"

namespace overlab::cli {

/// One guest's share: histories `first` to `first + count` of a seed, or the one in a file.
struct HistoryShare {
    std::uint64_t seed = 1, first = 0, count = 1;
    std::filesystem::path file;  ///< absolute; empty: drawn ones
    bool shrink = false;

    [[nodiscard]] std::string name() const;  ///< `histories 0 to 99`
};

/// One outcome a share, in their order. All at once, each in a process and a guest of its own.
/// `scratch`: a folder for what they tell. Errors: unsupported (no guest kernel that has what it
/// takes), those of the guests; unavailable if `interrupts` caught a signal. No guest is left when
/// it returns.
[[nodiscard]] Result<std::vector<CrosscheckOutcome>> run_in_guests(
    const std::vector<HistoryShare>& shares, const std::filesystem::path& scratch,
    Interrupts& interrupts, Progress& progress);

}  // namespace overlab::cli
