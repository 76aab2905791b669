// TimedTraffic: what all kinds of real traffic have in common: servers at once, the rest when the
// flow's time has come and both pods have addresses, and an end that comes whatever happens.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "real/traffic/flow_tally.h"
#include "real/traffic/prober.h"
#include "real/traffic/real_traffic.h"
#include "real/traffic/worker.h"

namespace overlab::real {

class TimedTraffic : public RealTraffic {
   public:
    TimedTraffic(EventLoop& loop, const TrafficSpec& spec, RealTrafficSetup setup);

    void start() final;
    [[nodiscard]] bool finished() const final { return finished_; }
    [[nodiscard]] FlowReport report() const final;
    [[nodiscard]] TrafficCpu cpu() const final { return cpu_; }
    [[nodiscard]] std::vector<std::string> warnings() const final;

    [[nodiscard]] const FlowTally& tally() const { return tally_; }

   protected:
    /// Starts what has to be there before the first packet. An error ends the flow as a warning.
    [[nodiscard]] virtual Result<void> start_servers() = 0;
    /// The flow begins; task() is complete. As start_servers().
    [[nodiscard]] virtual Result<void> begin() = 0;
    /// It ended without having begun, or did not end in time: kill what runs. No call afterwards.
    virtual void abandon() = 0;

    /// Everything is in.
    void finish();
    void warn(std::string what);
    /// Adds what a process used.
    void charge(const std::optional<ExitStatus>& status, bool from_end);

    [[nodiscard]] EventLoop& loop() { return *loop_; }
    [[nodiscard]] const TrafficSpec& spec() const { return spec_; }
    [[nodiscard]] const RealTrafficSetup& setup() const { return setup_; }
    /// From its real start (once begun) to its stop.
    [[nodiscard]] const MeterSpan& span() const { return span_; }
    [[nodiscard]] Duration left() const { return Instant{span_.stop_ns} - loop_->now(); }
    /// For a program of this flow.
    [[nodiscard]] ProgramTask task() const;
    /// A datagram's payload: as asked for, or as large as the overlay's MTU allows.
    [[nodiscard]] std::uint32_t payload_bytes();

    FlowTally tally_;
    bool complete_ = false;  ///< a fixed amount has been moved

   private:
    void try_begin();

    EventLoop* loop_;
    TrafficSpec spec_;
    RealTrafficSetup setup_;
    MeterSpan span_;
    TrafficCpu cpu_;
    std::vector<std::string> warnings_;
    bool waited_ = false, finished_ = false;
    Timer begin_timer_, end_timer_;
};

/// As in the simulator: an answer that has not come after a second counts as lost.
constexpr Duration default_answer_timeout = seconds(1);

/// Kinds: request_response, on_off, and tcp of a fixed amount. `answer_timeout`: of requests over
/// UDP.
[[nodiscard]] std::unique_ptr<TimedTraffic> make_prober_traffic(
    EventLoop& loop, const TrafficSpec& spec, RealTrafficSetup setup,
    Duration answer_timeout = default_answer_timeout);
/// Kinds: tcp without end, udp.
[[nodiscard]] std::unique_ptr<TimedTraffic> make_iperf3_traffic(EventLoop& loop,
                                                                const TrafficSpec& spec,
                                                                RealTrafficSetup setup);

}  // namespace overlab::real
