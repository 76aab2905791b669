// DeliveryMeter: deliveries of one program within the span that it was given.
#pragma once

#include <cstdint>

#include "models/measure/traffic_meter.h"

namespace overlab::sim {

/// Bytes that reached the receiving application between start and stop.
class DeliveryMeter {
   public:
    explicit DeliveryMeter(const MeterSpan& span) : span_(span) {}

    void delivered(std::int64_t now_ns, std::uint64_t bytes) {
        deliveries_.delivered(span_, now_ns, bytes);
    }
    [[nodiscard]] std::uint64_t bytes() const { return deliveries_.bytes; }

    /// Fills start, stop, bytes, goodput, first delivery, series. `finished`: the program had a
    /// fixed amount to move and has: it ended with the last delivery.
    void report(bool finished, FlowReport& report) const {
        deliveries_.fill(report, span_, finished);
    }

   private:
    MeterSpan span_;
    Deliveries deliveries_;
};

}  // namespace overlab::sim
