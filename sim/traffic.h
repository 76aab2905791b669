// Traffic: one entry of a scenario's `traffic`: the sending and the receiving application in two
// pods, and what they measured.
//
//  tcp               n bulk streams; counts what the receiving application has read
//  udp               datagrams at a constant rate; one-way delay, loss, jitter
//  on_off            the same with exponentially distributed pauses
//  request_response  back to back or at fixed intervals, over UDP or one TCP connection; round
//  trips
//
// A program starts when its time has come and both pods have been set up by CNI, whichever is
// later; remarks() says so if it was late. Sending applications cost CPU on their host (it charges
// app_send), receiving ones charge app_receive here. wire_bytes is left 0: the world fills it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/base/time.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "sim/alarm.h"
#include "sim/pod.h"

namespace overlab::sim {

class TrafficProgram;

struct TrafficSetup {
    Pod* from = nullptr;
    Pod* to = nullptr;
    std::uint64_t seed = 1;
    std::uint32_t index = 0;  ///< in Scenario::traffic; its frames carry flow_id index + 1
    Duration run_end;         ///< stops then unless told to stop before
    Duration series_step;     ///< of FlowReport::series_bytes; 0: no series
};

class Traffic {
   public:
    /// The pods must outlive it. Schedules its own start and stop.
    Traffic(const TrafficSpec& spec, const TrafficSetup& setup);
    ~Traffic();

    /// After the run.
    [[nodiscard]] FlowReport report() const;
    /// What a reader of the report should know: late starts, failed connections.
    [[nodiscard]] std::vector<std::string> remarks() const;

   private:
    void try_start();

    TrafficSpec spec_;
    TrafficSetup setup_;
    std::int64_t stop_ns_;
    std::unique_ptr<TrafficProgram> program_;  ///< null before the start
    std::vector<std::string> remarks_;
    Alarm start_alarm_, stop_alarm_;
};

}  // namespace overlab::sim
