// The cost formula. Files are read in profile_json.cc.
#include "models/cost/cost_profile.h"

#include "models/base/check.h"

namespace overlab {

namespace {
constexpr std::array<std::string_view, cost_stage_count> stage_names{
    "app_send",      "app_receive", "pod_stack",   "veth_bridge", "route",
    "vxlan_encap",   "vxlan_decap", "esp_encrypt", "esp_decrypt", "proxy_send",
    "proxy_receive", "nic_tx",      "nic_rx"};
}  // namespace

std::string_view to_string(CostStage stage) {
    CHECK(stage < CostStage::count);
    return stage_names[static_cast<std::size_t>(stage)];
}

std::int64_t CostProfile::cost_ns(CostStage stage, std::uint32_t segments,
                                  std::uint64_t bytes) const {
    return cost_ns(stage, Batch{.aggregates = 1, .segments = segments, .bytes = bytes});
}

std::int64_t CostProfile::cost_ns(CostStage stage, const Batch& batch) const {
    CHECK(stage < CostStage::count);
    CHECK(batch.aggregates >= 1);
    CHECK(batch.aggregates <= batch.segments);
    const StageCost& cost = stages[static_cast<std::size_t>(stage)];
    const std::uint64_t aggregates = cost.segments_apart ? batch.segments : batch.aggregates;
    const std::uint64_t bytes_ps = batch.bytes * cost.per_byte_ps;
    return static_cast<std::int64_t>(aggregates * cost.per_aggregate_ns +
                                     std::uint64_t{batch.segments} * cost.per_segment_ns +
                                     (bytes_ps + 500) / 1000);
}

}  // namespace overlab
