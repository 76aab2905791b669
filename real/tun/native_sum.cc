#include "real/tun/native_sum.h"

#include <cstring>

namespace overlab::real {
namespace {

/// Two 64-bit lanes, as every x86-64 and arm64 has them. Written out, because the compiler's own
/// vectorisation of the scalar loop is four times slower.
using Lanes [[gnu::vector_size(16)]] = std::uint64_t;

Lanes load(const std::uint8_t* from) {
    Lanes lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

}  // namespace

std::uint64_t native_sum(const std::uint8_t* data, std::size_t bytes) {
    // 32-bit words in 64-bit lanes cannot overflow below 16 GiB.
    constexpr Lanes low = {0xffff'ffff, 0xffff'ffff};
    Lanes a{}, b{}, c{}, d{};
    for (; bytes >= 32; data += 32, bytes -= 32) {
        const Lanes first = load(data), second = load(data + 16);
        a += first & low;
        b += first >> 32;
        c += second & low;
        d += second >> 32;
    }
    const Lanes lanes = (a + b) + (c + d);
    std::uint64_t sum = lanes[0] + lanes[1];
    for (; bytes >= 4; data += 4, bytes -= 4) sum += detail::load_native<std::uint32_t>(data);
    std::uint32_t rest = 0;  // An odd last byte is padded with zero behind it.
    std::memcpy(&rest, data, bytes);
    return sum + rest;
}

}  // namespace overlab::real
