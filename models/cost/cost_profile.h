// Cost profile: what a packet costs a host's CPU, by stage. See docs/host-cpu-model.md for the
// model, its fit and its limits.
//
// A packet (or an aggregate of `segments` real segments, as TSO and GRO make) costs at a stage
//     per_aggregate + segments * per_segment + bytes * per_byte
// on one core. Which core: `app` work (system call and copy) runs on the flow's application core,
// soft interrupt work on the core that the flow's hash chooses, at most one packet at a time a
// core.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab {

/// Order is load-bearing: index into CostProfile::stages and into results.
enum class CostStage : std::uint8_t {
    app_send,     ///< socket write, copy from user space
    app_receive,  ///< wake-up, copy to user space
    pod_stack,    ///< pod's TCP/IP
    veth_bridge,  ///< veth crossing, bridge
    route,        ///< FIB lookup, forward
    vxlan_encap,
    vxlan_decap,
    esp_encrypt,
    esp_decrypt,
    proxy_send,  ///< udp backend: TUN read, user-space, socket write
    proxy_receive,
    nic_tx,
    nic_rx,
    count
};
inline constexpr std::size_t cost_stage_count = static_cast<std::size_t>(CostStage::count);
[[nodiscard]] std::string_view to_string(CostStage stage);

struct StageCost {
    std::uint32_t per_aggregate_ns = 0;
    std::uint32_t per_segment_ns = 0;
    std::uint32_t per_byte_ps = 0;  ///< picoseconds
    bool segments_apart =
        false;  ///< the aggregate is cut here: every segment is an aggregate of its own
    bool single_core = false;  ///< all flows share one core at this stage (udp proxy, one SA)
};

/// What one stage works on at once: `segments` real segments of `bytes` together, in `aggregates`
/// pieces (1 as TSO and GRO leave them; more where flows are finely mixed, see FlowMix).
struct Batch {
    std::uint32_t aggregates = 1;
    std::uint32_t segments = 1;
    std::uint64_t bytes = 0;
};

struct CostProfile {
    std::string name, source;
    unsigned cores = 4;
    std::uint32_t max_backlog = 1000;  ///< packets waiting for a core (net.core.netdev_max_backlog)
    std::uint32_t max_aggregate_segments = 44;
    std::uint32_t wakeup_ns = 0;  ///< latency added when an idle receiver is woken, no CPU used
    std::array<StageCost, cost_stage_count> stages{};

    /// One aggregate of `segments` (>= 1) real segments, `bytes` together. A stage with
    /// `segments_apart` charges per_aggregate for every segment.
    [[nodiscard]] std::int64_t cost_ns(CostStage stage, std::uint32_t segments,
                                       std::uint64_t bytes) const;
    [[nodiscard]] std::int64_t cost_ns(CostStage stage, const Batch& batch) const;
};

/// Errors: invalid_argument with a JSON pointer.
[[nodiscard]] Result<CostProfile> parse_cost_profile(std::string_view text);
/// Profiles compiled in from models/cost/*.json, ascending by name.
[[nodiscard]] std::vector<std::string> built_in_cost_profiles();
[[nodiscard]] Result<CostProfile> built_in_cost_profile(std::string_view name);

}  // namespace overlab
