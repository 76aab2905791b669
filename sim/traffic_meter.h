// What a traffic program counts while it runs, without deciding anything.
#pragma once

#include <cstdint>
#include <vector>

#include "models/measure/run_report.h"

namespace overlab::sim {

/// Bytes that reached the receiving application between start and stop.
class DeliveryMeter {
   public:
    DeliveryMeter(std::int64_t start_ns, std::int64_t stop_ns, std::int64_t step_ns)
        : start_ns_(start_ns), stop_ns_(stop_ns), step_ns_(step_ns) {}

    void delivered(std::int64_t now_ns, std::uint64_t bytes);
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    /// Fills start, stop, bytes, goodput, series. `finished`: the program had a fixed amount to
    /// move and has: it ended with the last delivery.
    void report(bool finished, FlowReport& report) const;

   private:
    std::int64_t start_ns_, stop_ns_, step_ns_;
    std::uint64_t bytes_ = 0;
    std::int64_t first_ns_ = -1, last_ns_ = -1;
    std::vector<std::uint64_t> series_;
    /// Bytes by fifths of [start, stop): steady goodput leaves the first one out.
    std::uint64_t early_bytes_ = 0;
};

/// Latency samples. All are kept up to a bound; beyond it every second, fourth, ... one.
class LatencyRecorder {
   public:
    void add(std::int64_t latency_ns);
    [[nodiscard]] LatencySummary summary() const;

   private:
    static constexpr std::size_t most_samples = std::size_t{1} << 22;
    std::vector<std::int64_t> samples_;
    std::uint64_t count_ = 0;
    std::uint64_t stride_ = 1;
};

/// Interarrival jitter, RFC 3550 §6.4.1 with the integer arithmetic of its appendix A.8.
class JitterMeter {
   public:
    void add(std::int64_t transit_ns);
    [[nodiscard]] std::int64_t jitter_ns() const { return scaled_ >> 4; }

   private:
    bool any_ = false;
    std::int64_t last_transit_ns_ = 0;
    std::int64_t scaled_ = 0;
};

}  // namespace overlab::sim
