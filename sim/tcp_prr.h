// Proportional rate reduction (RFC 6937), as tcp_cwnd_reduction() computes it: while losses are
// being repaired, the window shrinks to ssthresh in step with what is delivered, so that the flow
// keeps sending at an even pace. In bytes: Linux counts packets, ns-3's TcpPrrRecovery counts bytes
// but multiplies two of them in 32 bits, which overflows from windows of 64 KiB on.
#pragma once

#include <algorithm>
#include <cstdint>

namespace overlab::sim {

class ProportionalRateReduction {
   public:
    struct Step {
        std::uint64_t in_flight = 0;
        std::uint64_t ssthresh = 0;
        std::uint64_t newly_delivered = 0;
        std::uint32_t segment_bytes = 0;
        bool safe = false;  ///< una advanced and nothing new was found lost: may speed up
    };

    void enter(std::uint64_t window) {
        prior_window_ = std::max<std::uint64_t>(window, 1);
        delivered_ = sent_ = 0;
    }
    void sent(std::uint64_t bytes) { sent_ += bytes; }

    /// The congestion window after an acknowledgement.
    [[nodiscard]] std::uint64_t window_after(const Step& step) {
        delivered_ += step.newly_delivered;
        std::uint64_t may_send = 0;
        if (step.in_flight > step.ssthresh) {
            // 64 bits hold the product of two windows below 4 GiB.
            const std::uint64_t due =
                (step.ssthresh * delivered_ + prior_window_ - 1) / prior_window_;
            may_send = due > sent_ ? due - sent_ : 0;
        } else {
            const std::uint64_t owed = delivered_ > sent_ ? delivered_ - sent_ : 0;
            may_send = std::max(owed, step.newly_delivered);
            if (step.safe) may_send += step.segment_bytes;
            may_send = std::min(may_send, step.ssthresh - step.in_flight);
        }
        // The first retransmission of a recovery must go out whatever the numbers say.
        if (sent_ == 0) may_send = std::max<std::uint64_t>(may_send, step.segment_bytes);
        return step.in_flight + may_send;
    }

   private:
    std::uint64_t prior_window_ = 1;
    std::uint64_t delivered_ = 0, sent_ = 0;
};

}  // namespace overlab::sim
