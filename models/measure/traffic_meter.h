// What a traffic program counts while it runs, and the pace it keeps, without deciding anything.
// Instants are nanoseconds since the run began.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/measure/run_report.h"

namespace overlab {

/// bytes * 8 / ns, in bits per second; 0 if ns <= 0.
[[nodiscard]] std::uint64_t bits_per_second(std::uint64_t bytes, std::int64_t ns);

/// The span in which deliveries count, and the step of the series (0: none).
struct MeterSpan {
    std::int64_t start_ns = 0, stop_ns = 0, step_ns = 0;

    /// Slow start is over by then: steady goodput leaves out what came before.
    [[nodiscard]] std::int64_t steady_ns() const { return start_ns + (stop_ns - start_ns) / 5; }
};

/// Bytes that reached the receiving application.
struct Deliveries {
    std::uint64_t bytes = 0, early_bytes = 0;  ///< in all; before MeterSpan::steady_ns()
    std::int64_t first_ns = -1, last_ns = -1;  ///< -1: there was none
    std::vector<std::uint64_t> series;         ///< bytes by step; as long as the last one needs

    /// Counts one, unless it is empty or comes after the span's end.
    void delivered(const MeterSpan& span, std::int64_t now_ns, std::uint64_t payload_bytes);
    /// Adds those that another receiver, or an earlier or later session, counted.
    void merge(const Deliveries& other);
    /// Start, stop, bytes, goodput, first delivery and series. `complete`: the flow had a fixed
    /// amount to move and has: it ended with the last delivery.
    void fill(FlowReport& report, const MeterSpan& span, bool complete) const;

    friend bool operator==(const Deliveries&, const Deliveries&) = default;
};

/// Latency samples. All are kept up to a bound; beyond it every second, fourth, ... one.
class LatencySamples {
   public:
    explicit LatencySamples(std::size_t most = std::size_t{1} << 22) : most_(most) {}
    void add(std::int64_t latency_ns);
    [[nodiscard]] LatencySummary summary() const;
    /// One sample stands for so many.
    [[nodiscard]] std::uint64_t stride() const { return stride_; }

   private:
    std::size_t most_;
    std::vector<std::int64_t> samples_;
    std::uint64_t count_ = 0, stride_ = 1;
};

/// Interarrival jitter, RFC 3550 §6.4.1 with the integer arithmetic of its appendix A.8.
class Jitter {
   public:
    void add(std::int64_t transit_ns);
    [[nodiscard]] std::int64_t ns() const { return scaled_ >> 4; }

   private:
    bool any_ = false;
    std::int64_t last_transit_ns_ = 0, scaled_ = 0;
};

/// Sending instants at a rate (> 0) that need not divide a second.
class Pacer {
   public:
    /// For packets of `bytes`, below 2^31.
    Pacer(std::uint64_t bytes, std::uint64_t bits_per_s)
        : rate_(bits_per_s), step_(bytes * 8 * 1'000'000'000) {}
    /// From one packet to the next.
    [[nodiscard]] std::int64_t next_gap_ns() {
        const std::uint64_t total = step_ + remainder_;
        remainder_ = total % rate_;
        return static_cast<std::int64_t>(total / rate_);
    }

   private:
    std::uint64_t rate_, step_, remainder_ = 0;
};

}  // namespace overlab
