// FaultPlayer: plays a scenario's faults against a world, in virtual or wall time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <span>

#include "models/fault/fault_target.h"
#include "models/ports/runtime.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// Hears of each fault, before the target is told. For the timeline, meters and invariants.
class FaultListener {
   public:
    virtual ~FaultListener() = default;
    virtual void fault_began(std::size_t /*fault*/, const std::string& /*what*/) {}
    virtual void fault_ended(std::size_t /*fault*/, const std::string& /*what*/) {}
    virtual void fault_refused(std::size_t /*fault*/, const Error& /*why*/) {}
};

class FaultPlayer {
   public:
    /// References must outlive the player. Nothing is scheduled before start().
    FaultPlayer(Runtime& runtime, const Scenario& scenario, FaultTarget& target,
                std::vector<FaultListener*> listeners);
    ~FaultPlayer();
    FaultPlayer(const FaultPlayer&) = delete;
    FaultPlayer& operator=(const FaultPlayer&) = delete;

    /// Instants count from `origin`.
    void start(Instant origin);

    /// No fault is under way and none is to come.
    [[nodiscard]] bool all_healed() const;
    /// The host (an underlay node) is powered and not paused, and its agent is wanted.
    [[nodiscard]] bool agent_wanted(std::size_t host) const;

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

/// Kinds in the scenario that are not in `supported`, each once: for a world's refusal.
[[nodiscard]] std::vector<FaultSpec::Kind> faults_outside(
    const Scenario& scenario, std::span<const FaultSpec::Kind> supported);

}  // namespace overlab
