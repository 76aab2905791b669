// Endpoint: an underlay address and UDP port.
#pragma once

#include <cstdint>

#include "models/net/address.h"

namespace overlab::real {

struct Endpoint {
    Ipv4Address address;
    std::uint16_t port = 0;

    friend constexpr bool operator==(Endpoint, Endpoint) = default;
    [[nodiscard]] constexpr std::uint64_t key() const {
        return std::uint64_t{address.bits} << 16 | port;
    }
};

}  // namespace overlab::real
