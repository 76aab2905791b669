// FuzzSeeds: what one worker does with one seed: draw, run, now and then run again, and make what
// failed small.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/fuzz_finding.h"
#include "cli/fuzz_judge.h"
#include "models/fuzz/fuzz_scenario.h"

namespace overlab::cli {

struct SeedOutcome {
    std::uint64_t faults = 0, events = 0;
    bool run_twice = false;
    std::optional<FuzzFinding> finding;
};

class FuzzSeeds {
   public:
    /// Every so many seeds are run twice and must give the same.
    static constexpr std::uint64_t twice_every = 20;

    /// References must outlive it.
    FuzzSeeds(const FuzzOptions& options, const FuzzJudge& judge)
        : options_(&options), judge_(&judge) {}

    /// Errors: the world's.
    [[nodiscard]] Result<SeedOutcome> run(std::uint64_t seed, bool shrink) const;

    /// The finding for a seed that killed, or never gave back, the worker that ran it.
    [[nodiscard]] FuzzFinding stuck(std::uint64_t seed, const std::string& invariant,
                                    const std::string& what) const;
    /// Makes a scenario that kills the program small, each try in a child.
    [[nodiscard]] FuzzFinding shrink_deadly(FuzzFinding finding) const;

   private:
    [[nodiscard]] FuzzFinding describe(const Scenario& scenario,
                                       const ViolationReport& violation) const;
    [[nodiscard]] FuzzFinding shrunk(const Scenario& scenario, const ViolationReport& violation,
                                     bool apart) const;

    const FuzzOptions* options_;
    const FuzzJudge* judge_;
};

}  // namespace overlab::cli
