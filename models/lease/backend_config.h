// The `Backend` object of a network configuration: one reader per backend type.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "models/lease/json_value.h"
#include "models/lease/network_config.h"

namespace overlab {

/// Which address families the network has.
struct Families {
    bool ipv4 = true;
    bool ipv6 = false;
};

/// Reads `backend` (the value of `Backend`, which is present) and notes what is wrong under
/// `pointer`. The result is UdpConfig if the type is unusable.
[[nodiscard]] BackendConfig parse_backend_config(const JsonValue& backend,
                                                 const std::string& pointer, Families families,
                                                 ParsedNetworkConfig& report);

/// The names `Backend.Type` may have, in the order messages list them.
[[nodiscard]] std::span<const std::string_view> backend_types();

}  // namespace overlab
