// Backoff: how long to wait before the next attempt. Without jitter: what a host tries again on
// itself disturbs no other host (the store's clients have models/store/backoff.h).
#pragma once

#include <algorithm>

#include "models/base/time.h"

namespace overlab {

/// Pauses that double from `least` up to `most`. 0 < least <= most.
class Backoff {
   public:
    Backoff(Duration least, Duration most) : least_(least), most_(most), next_(least) {}

    [[nodiscard]] Duration next() {
        const Duration pause = next_;
        next_ = std::min(next_ * 2, most_);
        return pause;
    }
    void reset() { next_ = least_; }

   private:
    Duration least_, most_, next_;
};

}  // namespace overlab
