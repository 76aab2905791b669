#include "sim/host_cpu.h"

#include <algorithm>

#include "models/base/flat_hash.h"

namespace overlab::sim {

HostCpu::HostCpu(Engine& engine, const CostProfile& profile, unsigned cores, bool enabled)
    : engine_(&engine),
      profile_(&profile),
      enabled_(enabled),
      busy_until_ns_(cores == 0 ? profile.cores : cores),
      worked_ns_(busy_until_ns_.size()) {
    CHECK(!busy_until_ns_.empty());
}

std::int64_t HostCpu::charge(CostStage stage, std::uint32_t segments, std::uint64_t bytes) {
    if (!enabled_) return 0;
    const std::int64_t cost = profile_->cost_ns(stage, segments, bytes);
    used_ns_[static_cast<std::size_t>(stage)] += cost;
    return cost;
}

std::int64_t HostCpu::book(unsigned core, std::int64_t ready_ns, std::int64_t cost_ns) {
    if (!enabled_) return ready_ns;
    std::int64_t& busy = busy_until_ns_[core];
    busy = std::max(busy, ready_ns) + cost_ns;
    worked_ns_[core] += cost_ns;
    return busy;
}

std::int64_t HostCpu::wait_ns(unsigned core) const {
    return std::max<std::int64_t>(0, busy_until_ns_[core] - engine_->now_ns());
}

unsigned HostCpu::softirq_core(std::uint64_t flow_hash) const {
    return static_cast<unsigned>(mix64(flow_hash) % busy_until_ns_.size());
}

// The scheduler keeps a flow's application off the core that its interrupts saturate.
unsigned HostCpu::application_core(std::uint64_t flow_hash) const {
    const auto cores = static_cast<unsigned>(busy_until_ns_.size());
    if (cores == 1) return 0;
    const auto step = static_cast<unsigned>(mix64(~flow_hash) % (cores - 1));
    return (softirq_core(flow_hash) + 1 + step) % cores;
}

std::int64_t HostCpu::busiest_core_ns() const {
    return *std::max_element(worked_ns_.begin(), worked_ns_.end());
}

}  // namespace overlab::sim
