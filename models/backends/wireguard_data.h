// What a wireguard host publishes in its lease: `{"PublicKey":"<base64>","Port":51820}`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/net/wireguard_key.h"

namespace overlab {

struct WireguardData {
    WireguardKey public_key;
    std::optional<std::uint16_t> port;  ///< absent in leases of older hosts

    friend bool operator==(const WireguardData&, const WireguardData&) = default;
};

[[nodiscard]] std::string to_json(const WireguardData& data);
/// Errors: invalid_argument (no JSON object, no PublicKey, no key, the zero key, a port out of
/// range). Unknown fields are ignored.
[[nodiscard]] Result<WireguardData> parse_wireguard_data(std::string_view text);

}  // namespace overlab
