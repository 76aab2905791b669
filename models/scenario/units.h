// Quantities as people write them: "10Gbps", "1.5ms", "64KiB", "0.1%". Read exactly, as a rational
// and never through a double: a value that is not a whole number of the base unit (bit/s, ns, byte,
// 1e-9) is an error. Bits and bytes have decimal prefixes (k, M, G, T); bytes have binary ones too
// (Ki, Mi, Gi).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/base/time.h"

namespace overlab {

// Errors of all four: invalid_argument; the text says what was expected and does not name the
// place.

/// bps, kbps, Mbps, Gbps, Tbps. Result in bit/s.
[[nodiscard]] Result<std::uint64_t> parse_rate(std::string_view text);

/// ns, us, ms, s, m, h. Never negative.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

/// B, kB, MB, GB, KiB, MiB, GiB. Result in bytes.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

/// "0.1%" or "0.001". Result in 1e-9, at most 1e9.
[[nodiscard]] Result<std::uint32_t> parse_ratio_ppb(std::string_view text);

/// In the largest unit that leaves a whole number: "1500ms", "2s".
[[nodiscard]] std::string duration_text(Duration span);

}  // namespace overlab
