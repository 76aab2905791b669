#include "sim/exponential.h"

#include <bit>

#include "models/base/check.h"

namespace overlab::sim {
namespace {

constexpr unsigned fraction_bits = 24;
constexpr std::uint64_t ln2_q32 = 2'977'044'472;  // ln(2) * 2^32

}  // namespace

// Whole part: the position of the highest bit. Fraction: squaring doubles a logarithm, so each
// squaring of the mantissa that passes 2 yields a one bit.
std::uint64_t log2_q24(std::uint64_t x) {
    CHECK(x > 0);
    const auto whole = static_cast<unsigned>(std::bit_width(x) - 1);
    std::uint64_t mantissa = x << (63 - whole) >> 32;  // [2^31, 2^32) stands for [1, 2)
    std::uint64_t result = whole;
    for (unsigned i = 0; i < fraction_bits; ++i) {
        mantissa = (mantissa * mantissa) >> 31;
        const std::uint64_t bit = mantissa >> 32;
        mantissa >>= bit;
        result = result << 1 | bit;
    }
    return result;
}

Duration exponential(Rng& rng, Duration mean) {
    CHECK(mean.ns >= 0);
    // -ln(u) for u = (draw + 1) / 2^64 in (0, 1]; the top draw would overflow and means u = 1.
    const std::uint64_t draw = rng.next();
    const std::uint64_t log =
        draw == ~std::uint64_t{0} ? std::uint64_t{64} << fraction_bits : log2_q24(draw + 1);
    const std::uint64_t minus_log2 = (std::uint64_t{64} << fraction_bits) - log;  // <= 2^30
    const std::uint64_t minus_ln = (minus_log2 * ln2_q32) >> 32;                  // Q24
    const auto ns = static_cast<std::uint64_t>(mean.ns);
    const std::uint64_t high = ns >> fraction_bits;
    const std::uint64_t low = ns & ((std::uint64_t{1} << fraction_bits) - 1);
    return {static_cast<std::int64_t>(minus_ln * high + ((minus_ln * low) >> fraction_bits))};
}

}  // namespace overlab::sim
