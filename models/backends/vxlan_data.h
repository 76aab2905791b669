// What a vxlan host publishes in its lease: `{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/net/address.h"

namespace overlab {

struct VxlanData {
    std::optional<std::uint32_t> vni;  ///< absent in leases of very old hosts
    MacAddress mac;

    friend bool operator==(const VxlanData&, const VxlanData&) = default;
};

[[nodiscard]] std::string to_json(const VxlanData& data);
/// Errors: invalid_argument (no JSON object, no VtepMAC, a MAC that no device can have, a VNI out
/// of range). Unknown fields are ignored.
[[nodiscard]] Result<VxlanData> parse_vxlan_data(std::string_view json);

}  // namespace overlab
