// Where the fields of a TCP header are (RFC 9293 §3.1), for code that works on them in place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace overlab::real::tcp {

inline constexpr std::size_t sequence_at = 4, acknowledgement_at = 8, data_offset_at = 12,
                             flags_at = 13, window_at = 14, checksum_at = 16, urgent_at = 18,
                             options_at = 20;

/// Options included; 0..60.
[[nodiscard]] inline std::size_t header_bytes(const std::uint8_t* segment) {
    return std::size_t{4} * (segment[data_offset_at] >> 4);
}

}  // namespace overlab::real::tcp
