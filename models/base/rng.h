// Random numbers that are the same on every machine: one named stream per entity and purpose, so
// that adding a host never shifts another host's draws. xoshiro256** seeded by splitmix64 from
// (seed, FNV-1a of the name). Integer draws only: std distributions differ between libraries.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace overlab {

class Rng {
   public:
    /// The stream called `name` of the run seeded `seed`. Equal arguments give equal draws.
    [[nodiscard]] static Rng stream(std::uint64_t seed, std::string_view name);

    /// Uniform over all 64-bit values.
    std::uint64_t next();

    /// Uniform in [0, bound); bound > 0. Unbiased (Lemire's multiply and reject).
    std::uint64_t below(std::uint64_t bound);

    /// True with probability numerator/denominator (0 <= numerator <= denominator, denominator >
    /// 0).
    bool chance(std::uint64_t numerator, std::uint64_t denominator);

   private:
    explicit Rng(std::array<std::uint64_t, 4> state) : state_(state) {}
    std::array<std::uint64_t, 4> state_;
};

/// FNV-1a, 64 bits: the one string hash that may reach an output.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text);

}  // namespace overlab
