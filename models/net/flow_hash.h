// Flow hash: what equal-cost choice, receive-side scaling and VXLAN's source port look at instead
// of the five fields. Stable on every machine, so it may reach results. The two directions of a
// connection hash differently, as with the Toeplitz hash of a NIC.
#pragma once

#include <cstdint>

#include "models/base/flat_hash.h"
#include "models/net/address.h"

namespace overlab {

/// Ports are 0 for protocols without (and for fragments: later ones do not carry them).
[[nodiscard]] constexpr std::uint64_t flow_hash(Ipv4Address source, Ipv4Address destination,
                                                std::uint8_t protocol, std::uint16_t source_port,
                                                std::uint16_t destination_port) {
    const std::uint64_t addresses = std::uint64_t{source.bits} << 32 | destination.bits;
    const std::uint64_t rest =
        std::uint64_t{protocol} << 32 | std::uint64_t{source_port} << 16 | destination_port;
    // The constant keeps all-zero fields off mix64's fixed point 0.
    return mix64(mix64(addresses) + rest + 0x9e3779b97f4a7c15U);
}

/// The outer UDP source port of an encapsulated flow, in [min, max); min < max (RFC 7348 §5:
/// "calculated using a hash of fields from the inner packet"). As udp_flow_src_port() with Linux's
/// default range.
[[nodiscard]] std::uint16_t vxlan_source_port(std::uint64_t inner_hash, std::uint16_t min = 32768,
                                              std::uint16_t max = 61000);

}  // namespace overlab
