// RealTraffic: one flow of a scenario between two pods, made by real programs: iperf3 for tcp and
// udp, our own prober (prober.h) for request_response and on_off.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"

namespace overlab::real {

struct TrafficEnd {
    const Netns* netns = nullptr;
    std::string pod, host;
    std::function<Ipv4Address()> address;  ///< unspecified until the pod is set up
};

struct RealTrafficSetup {
    TrafficEnd from, to;
    std::size_t index = 0;  ///< in Scenario::traffic: makes ports distinct
    std::uint64_t seed = 1;
    Duration run_end;      ///< of the scenario
    Duration series_step;  ///< of FlowReport::series_bytes
    std::uint32_t overlay_mtu = 1500;
    std::filesystem::path folder;   ///< for iperf3's JSON; exists
    std::string iperf3 = "iperf3";  ///< the program; looked up in PATH
};

/// CPU time that the flow's own programs took, by end.
struct TrafficCpu {
    Duration from_user, from_system, to_user, to_system;
};

class RealTraffic {
   public:
    [[nodiscard]] static std::unique_ptr<RealTraffic> create(EventLoop& loop,
                                                             const TrafficSpec& spec,
                                                             RealTrafficSetup setup);
    virtual ~RealTraffic() = default;

    /// Arms everything by the loop's clock: servers at once, clients at spec.start; a client that
    /// cannot connect yet tries again until the flow's end.
    virtual void start() = 0;
    /// Ended, and its programs' reports are in. True at the latest 3 s after the flow's end.
    [[nodiscard]] virtual bool finished() const = 0;
    /// Fills everything of FlowReport but wire_bytes. Call once finished.
    [[nodiscard]] virtual FlowReport report() const = 0;
    [[nodiscard]] virtual TrafficCpu cpu() const = 0;
    /// What went wrong or could not be measured, for people.
    [[nodiscard]] virtual std::vector<std::string> warnings() const = 0;
};

}  // namespace overlab::real
