// Addresses of both families as one integer type, so that arithmetic on subnets exists once.
#pragma once

#include <ranges>

#include "models/net/address.h"

namespace overlab {

__extension__ using Uint128 = unsigned __int128;

[[nodiscard]] constexpr Uint128 to_uint128(Ipv4Address address) { return address.bits; }
[[nodiscard]] constexpr Uint128 to_uint128(const Ipv6Address& address) {
    Uint128 value = 0;
    for (const std::uint8_t byte : address.bytes) value = value << 8 | byte;
    return value;
}

/// value < 2^32.
[[nodiscard]] constexpr Ipv4Address ipv4_from(Uint128 value) {
    return {static_cast<std::uint32_t>(value)};
}
[[nodiscard]] constexpr Ipv6Address ipv6_from(Uint128 value) {
    Ipv6Address address;
    for (std::uint8_t& byte : std::views::reverse(address.bytes)) {
        byte = static_cast<std::uint8_t>(value & 0xff);
        value >>= 8;
    }
    return address;
}

/// How many addresses a prefix of `length` has in a family of `width` bits (32 or 128); length > 0.
[[nodiscard]] constexpr Uint128 block_size(unsigned width, unsigned length) {
    return Uint128{1} << (width - length);
}

}  // namespace overlab
