// What the kinds of traffic have in common (private to sim/traffic*.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/measure/traffic_meter.h"
#include "models/scenario/flows.h"
#include "sim/traffic.h"
#include "sim/traffic_meter.h"

namespace overlab::sim {

/// What a program is told when it starts, at `start_ns` = now.
struct ProgramSetup {
    const TrafficSpec& spec;
    TrafficSetup traffic;
    std::int64_t start_ns = 0, stop_ns = 0;
    std::vector<std::string>& remarks;

    [[nodiscard]] Pod& from() const { return *traffic.from; }
    [[nodiscard]] Pod& to() const { return *traffic.to; }
    [[nodiscard]] Engine& engine() const { return traffic.from->engine(); }
    [[nodiscard]] std::uint32_t flow_id() const { return traffic.index + 1; }
    [[nodiscard]] std::uint16_t server_port() const { return overlab::server_port(traffic.index); }
    [[nodiscard]] DeliveryMeter new_meter() const {
        return DeliveryMeter(
            {.start_ns = start_ns, .stop_ns = stop_ns, .step_ns = traffic.series_step.ns});
    }
};

class TrafficProgram {
   public:
    virtual ~TrafficProgram() = default;
    /// Sends nothing new from here on.
    virtual void stop() = 0;
    virtual void report(FlowReport& report) const = 0;
};

[[nodiscard]] std::unique_ptr<TrafficProgram> start_bulk(const ProgramSetup& setup);
[[nodiscard]] std::unique_ptr<TrafficProgram> start_datagrams(const ProgramSetup& setup);
[[nodiscard]] std::unique_ptr<TrafficProgram> start_udp_requests(const ProgramSetup& setup);
[[nodiscard]] std::unique_ptr<TrafficProgram> start_tcp_requests(const ProgramSetup& setup);

}  // namespace overlab::sim
