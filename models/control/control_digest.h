// ControlDigest: a running hash of what was decided, in the order in which it was. Two runs that
// decide alike have equal ones; no text is made for it.
#pragma once

#include <cstdint>
#include <string_view>

#include "models/base/rng.h"

namespace overlab {

class ControlDigest {
   public:
    void add(std::uint64_t value) {
        state_ = (state_ ^ value) * 0x9e3779b97f4a7c15;
        state_ ^= state_ >> 29;
    }
    void add(std::int64_t value) { add(static_cast<std::uint64_t>(value)); }
    void add(std::string_view text) { add(stable_hash(text)); }

    [[nodiscard]] std::uint64_t value() const { return state_; }

   private:
    std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace overlab
