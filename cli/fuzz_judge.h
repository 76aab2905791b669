// FuzzJudge: runs one scenario in one world, in this process, and says whether it failed and how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/jobs.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

struct FuzzVerdict {
    std::optional<ViolationReport> violation;  ///< the first
    std::uint64_t digest = 0;                  ///< of all that was decided
    std::uint64_t events = 0;
};

class FuzzJudge {
   public:
    /// `world`: control, or another in virtual time whose runner is in `runners`, which must
    /// outlive the judge.
    FuzzJudge(std::string world, const Runners& runners)
        : world_(std::move(world)), runners_(&runners) {}

    /// Errors: the world's.
    [[nodiscard]] Result<FuzzVerdict> run(const Scenario& scenario) const;

    /// run() in a child: a program that dies is a failure too (`program_died`).
    [[nodiscard]] Result<FuzzVerdict> run_apart(const Scenario& scenario) const;

   private:
    std::string world_;
    const Runners* runners_;
};

/// What a verdict of run_apart() calls the death of the program.
inline constexpr const char* program_died = "program_died";

}  // namespace overlab::cli
