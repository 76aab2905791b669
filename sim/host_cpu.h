// HostCpu: the cores of one host as queue servers (docs/host-cpu-model.md). Work is booked on a
// core and finishes when the core has done everything booked before it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "models/cost/cost_profile.h"
#include "sim/engine.h"
#include "sim/frame.h"

namespace overlab::sim {

class HostCpu {
   public:
    /// cores == 0: the profile's. enabled == false: every cost is 0 and nothing is ever dropped.
    HostCpu(Engine& engine, const CostProfile& profile, unsigned cores, bool enabled);

    /// Adds up one stage's cost for an aggregate (and accounts for it); 0 when disabled.
    std::int64_t charge(CostStage stage, std::uint32_t segments, std::uint64_t bytes);
    std::int64_t charge(CostStage stage, const Frame& frame) {
        return charge(stage, frame.segments, frame.total_size());
    }

    /// Books `cost_ns` on `core`, not before `ready_ns`. Returns when it is done.
    std::int64_t book(unsigned core, std::int64_t ready_ns, std::int64_t cost_ns);

    /// How long a packet that is ready now would wait for `core`.
    [[nodiscard]] std::int64_t wait_ns(unsigned core) const;

    /// Soft interrupts of a flow run on one core (RSS); its application on another, if there are
    /// two.
    [[nodiscard]] unsigned softirq_core(std::uint64_t flow_hash) const;
    [[nodiscard]] unsigned application_core(std::uint64_t flow_hash) const;

    [[nodiscard]] unsigned cores() const { return static_cast<unsigned>(busy_until_ns_.size()); }
    [[nodiscard]] bool enabled() const { return enabled_; }
    [[nodiscard]] const CostProfile& profile() const { return *profile_; }
    [[nodiscard]] const std::array<std::int64_t, cost_stage_count>& used_ns() const {
        return used_ns_;
    }
    [[nodiscard]] std::int64_t busiest_core_ns() const;

   private:
    Engine* engine_;
    const CostProfile* profile_;
    bool enabled_;
    std::vector<std::int64_t> busy_until_ns_;
    std::vector<std::int64_t> worked_ns_;
    std::array<std::int64_t, cost_stage_count> used_ns_{};
};

}  // namespace overlab::sim
