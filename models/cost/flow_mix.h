// FlowMix: how finely several flows are mixed inside one tunnel, and so how much of an aggregate
// GRO can put together again behind it.
//
// A NIC that segments in hardware (TSO) puts the segments of one aggregate on the wire in one
// piece. ESP cannot use that: the kernel cuts the aggregate before it encrypts (xfrm_output_gso()),
// every sending core emits one packet at a time, and the packets of n flows that share the tunnel
// arrive interleaved: 1 2 3 .. n 1 2 3 .. n. They also share one outer flow, hence one receiving
// core, whose GRO after decryption (gro_cells) finds neighbours of n different flows. With n flows
// an aggregate of s segments comes back as min(s, n) pieces; with one flow it comes back whole.
//
// n is counted as the different flows among the last `window` aggregates, about two NAPI polls.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace overlab {

class FlowMix {
   public:
    static constexpr std::size_t window = 32;

    /// Notes that an aggregate of `flow` (any stable value, e.g. its hash) arrived. Returns the
    /// number of different flows among the last `window` aggregates, this one included.
    unsigned note(std::uint64_t flow) {
        recent_[next_] = flow;
        next_ = (next_ + 1) % window;
        filled_ = std::min(filled_ + 1, window);
        if (same_run(flow)) return 1;
        std::array<std::uint64_t, window> sorted = recent_;
        const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(filled_);
        std::sort(sorted.begin(), end);
        return static_cast<unsigned>(std::unique(sorted.begin(), end) - sorted.begin());
    }

    /// Pieces that `segments` (>= 1) come back in when `flows` (>= 1) share the tunnel.
    [[nodiscard]] static std::uint32_t pieces(std::uint32_t segments, unsigned flows) {
        return std::min<std::uint32_t>(segments, flows);
    }

   private:
    /// One flow alone is the common case: no sort then.
    [[nodiscard]] bool same_run(std::uint64_t flow) {
        run_ = flow == last_ ? std::min(run_ + 1, window) : 1;
        last_ = flow;
        return run_ >= filled_;
    }

    std::array<std::uint64_t, window> recent_{};
    std::size_t next_ = 0, filled_ = 0, run_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace overlab
