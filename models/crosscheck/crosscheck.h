// Crosscheck: runs a history through the simulated hosts and through real ones, side by side, and
// looks for the first difference.
//
//   step ──┬─► CrossCluster ─► SimSide's stacks    ─► rows ─┐
//          │                                                ├─► equal?
//          └─► CrossCluster ─► KernelSide's stacks ─► rows ─┘
//   probe ─┬─► PacketWalk over the simulated hosts' tables ─┐
//          │                                                ├─► equal?
//          └─► a packet through the kernel ─────────────────┘
//
// After every step: what each agent is at (state, lease, converged), the rows of every host, and
// the step's probes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/crosscheck/cross_cluster.h"
#include "models/crosscheck/history.h"
#include "models/crosscheck/kernel_side.h"
#include "models/crosscheck/sim_side.h"

namespace overlab {

struct CrosscheckCounts {
    std::uint64_t histories = 0;
    std::uint64_t steps = 0;
    std::uint64_t rows = 0;                       ///< compared
    std::map<std::string, std::uint64_t> probes;  ///< compared, by the walk's disposition
    std::uint64_t probes_left_out = 0;            ///< an end had no pod, or both had the same one

    void add(const CrosscheckCounts& other);
    [[nodiscard]] std::uint64_t probe_count() const;
    friend bool operator==(const CrosscheckCounts&, const CrosscheckCounts&) = default;
};

struct CrossDifference {
    std::size_t step = 0;  ///< after which it showed
    std::string what;      ///< one or more lines
    std::string way;       ///< of a probe: the walk in words, and all rows; else empty

    [[nodiscard]] std::string to_string() const;
};

class Crosscheck {
   public:
    /// References must outlive it.
    Crosscheck(SimSide& sim, KernelSide& kernel) : sim_(&sim), kernel_(&kernel) {}

    /// The first difference; none if there is none. Adds to `counts()`. Errors: a side cannot be
    /// set up or does not answer; says nothing about the history then.
    [[nodiscard]] Result<std::optional<CrossDifference>> run(const History& history);

    [[nodiscard]] const CrosscheckCounts& counts() const { return counts_; }

   private:
    struct Run;

    [[nodiscard]] Result<std::optional<std::string>> compare_hosts(const Run& run);
    [[nodiscard]] Result<std::optional<std::string>> meddle(const Run& run,
                                                            const HistoryStep& step);
    [[nodiscard]] Result<std::optional<CrossDifference>> compare_probe(const Run& run,
                                                                       const HistoryProbe& probe);
    [[nodiscard]] Result<std::optional<CrossDifference>> take_step(Run& run,
                                                                   const HistoryStep& step);

    SimSide* sim_;
    KernelSide* kernel_;
    CrosscheckCounts counts_;
};

}  // namespace overlab
