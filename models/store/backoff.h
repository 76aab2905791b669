// Pauses between attempts: doubling from `min` up to `max`, each with a seeded jitter of as much
// again, so that hosts that failed together do not come back together.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/base/rng.h"
#include "models/base/time.h"

namespace overlab {

class JitteredBackoff {
   public:
    /// 0 < min <= max.
    JitteredBackoff(Duration min, Duration max) : min_(min), max_(max), pause_(min) {}

    /// The next pause: in [p, 2p) for p = min, 2 min, 4 min, ..., max.
    [[nodiscard]] Duration next(Rng& rng) {
        const Duration pause = pause_;
        pause_ = std::min(pause_ * 2, max_);
        const auto jitter = rng.below(static_cast<std::uint64_t>(pause.ns));
        return pause + nanoseconds(static_cast<std::int64_t>(jitter));
    }
    void reset() { pause_ = min_; }

   private:
    Duration min_, max_, pause_;
};

}  // namespace overlab
