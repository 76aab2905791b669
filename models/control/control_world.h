// ControlWorld: the control plane alone: store, agents and forwarding tables in memory on a lean
// event loop, in virtual time. No packet moves; what packets would do is asked of PacketWalk. The
// agents, ports and faults are those of every other world, so a history that fails here is an
// ordinary scenario; it runs about as fast as its decisions can be taken.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"

namespace overlab {

class ControlWorld {
   public:
    /// The scenario must outlive the world. Of faults, what is about packets alone has no effect;
    /// the report's warnings say so. Errors: those of the underlay.
    [[nodiscard]] static Result<std::unique_ptr<ControlWorld>> build(const Scenario& scenario,
                                                                     std::uint64_t seed);
    ~ControlWorld();
    ControlWorld(const ControlWorld&) = delete;
    ControlWorld& operator=(const ControlWorld&) = delete;

    /// To the scenario's end, or to the first violation if asked for.
    void run(bool until_violation = false);
    [[nodiscard]] const std::vector<ViolationReport>& violations() const;
    /// Of everything that was decided: store history, leases, rows. Equal runs have equal ones.
    [[nodiscard]] std::uint64_t digest() const;
    [[nodiscard]] std::uint64_t events() const;
    /// `keep_forwarding` as in RunOptions.
    [[nodiscard]] RunReport report(bool keep_forwarding) const;

   private:
    class Impl;
    explicit ControlWorld(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The world's front door, as sim::run. Traffic is not run: its metrics are `unmeasured`.
[[nodiscard]] Result<RunReport> run_control(const Scenario& scenario, const RunOptions& options);

}  // namespace overlab
