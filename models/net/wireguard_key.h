// A WireGuard key (Curve25519 or pre-shared) as a value. Text form: base64 of its 32 bytes with one
// '=' (RFC 4648 §4), as `wg` prints and leases carry it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab {

struct WireguardKey {
    std::array<std::uint8_t, 32> bytes{};

    friend auto operator<=>(const WireguardKey&, const WireguardKey&) = default;
    [[nodiscard]] bool is_zero() const { return bytes == std::array<std::uint8_t, 32>{}; }

    /// Exactly the canonical form, else invalid_argument. The message does not repeat the text: it
    /// may be a secret.
    [[nodiscard]] static Result<WireguardKey> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;

    /// 32 bits that tell two secrets apart in a dump. However they are made, they say no more than
    /// 32 of the key's 256 bits.
    [[nodiscard]] std::uint32_t fingerprint() const;
};

}  // namespace overlab
