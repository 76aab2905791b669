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
// n is counted as the different flows among the last `window` aggregates: about what a full receive
// queue holds (netdev_max_backlog, 1000 packets, in aggregates of seven or eight).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace overlab {

class FlowMix {
   public:
    static constexpr std::size_t window = 128;

    /// Notes that an aggregate of `flow` (any stable value, e.g. its hash) arrived. Returns the
    /// number of different flows among the last `window` aggregates, this one included.
    unsigned note(std::uint64_t flow) {
        if (recent_.size() < window) {
            recent_.push_back(flow);
        } else {
            forget(recent_[oldest_]);
            recent_[oldest_] = flow;
            oldest_ = (oldest_ + 1) % window;
        }
        ++count_[flow];
        return static_cast<unsigned>(count_.size());
    }

    /// Pieces that `segments` (>= 1) come back in when `flows` (>= 1) share the tunnel.
    [[nodiscard]] static std::uint32_t pieces(std::uint32_t segments, unsigned flows) {
        return std::min<std::uint32_t>(segments, flows);
    }

   private:
    void forget(std::uint64_t flow) {
        const auto found = count_.find(flow);
        if (--found->second == 0) count_.erase(found);
    }

    std::vector<std::uint64_t> recent_;  ///< a ring once it is full
    std::size_t oldest_ = 0;
    std::map<std::uint64_t, std::uint32_t> count_;  ///< of each flow in recent_
};

}  // namespace overlab
