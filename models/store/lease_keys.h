// Where leases are in the store.
#pragma once

#include <string>
#include <string_view>

namespace overlab {

/// Every lease's key starts with it. flannel watches without the '/', and so sees keys like
/// `<prefix>/subnets-old/...` too.
[[nodiscard]] inline std::string subnets_prefix(const std::string& prefix) {
    return prefix + "/subnets/";
}
[[nodiscard]] inline std::string config_key(const std::string& prefix) {
    return prefix + "/config";
}

/// What follows the last '/': the part that parse_lease_key() reads.
[[nodiscard]] inline std::string_view lease_key_part(std::string_view key) {
    const std::size_t slash = key.rfind('/');
    return slash == std::string_view::npos ? key : key.substr(slash + 1);
}

}  // namespace overlab
