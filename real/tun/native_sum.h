// The internet checksum's sum, fast, for packets that are summed whole: once for each TCP segment
// that enters or leaves a tunnel. In the machine's byte order throughout, which RFC 1071 §2(B)
// allows: a field is loaded, summed and stored natively and never swapped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/net/bytes.h"

namespace overlab::real {

/// Not folded; sums of parts of even length add up.
[[nodiscard]] std::uint64_t native_sum(const std::uint8_t* data, std::size_t bytes);

/// Sum of the pseudo-header of a 20-byte or longer IPv4 header (RFC 768, RFC 9293 §3.1).
[[nodiscard]] inline std::uint64_t native_pseudo_sum(const std::uint8_t* ip_header,
                                                     std::size_t transport_bytes) {
    const std::uint8_t* source = ip_header + ipv4_offset::source;
    return std::uint64_t{detail::load_native<std::uint32_t>(source)} +
           detail::load_native<std::uint32_t>(source + 4) +
           detail::big_endian(std::uint16_t{ip_header[ipv4_offset::protocol]}) +
           detail::big_endian(static_cast<std::uint16_t>(transport_bytes));
}

/// Writes a folded sum or its complement as a checksum field, natively.
inline void store_native(std::uint8_t* field, std::uint16_t value) {
    std::memcpy(field, &value, sizeof value);
}

}  // namespace overlab::real
