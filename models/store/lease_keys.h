// Where leases are in the store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/lease/lease.h"
#include "models/ports/kv_store.h"

namespace overlab {

/// Every lease's key starts with it. flannel watches without the '/', and so sees keys like
/// `<prefix>/subnets-old/...` too.
[[nodiscard]] inline std::string subnets_prefix(const std::string& prefix) {
    return prefix + "/subnets/";
}
[[nodiscard]] inline std::string config_key(const std::string& prefix) {
    return prefix + "/config";
}

/// The key holds what `lease` was read from, or written to. In a store that was restored from a
/// backup another owner's record may have come to the same revision number; never to the same etcd
/// lease.
[[nodiscard]] inline std::vector<KvCompare> still_as(const std::string& key, const Lease& lease) {
    return {{key, KvCompare::Target::mod_revision, lease.mod_revision},
            {key, KvCompare::Target::lease, lease.kv_lease.value}};
}

/// What follows the last '/': the part that parse_lease_key() reads.
[[nodiscard]] inline std::string_view lease_key_part(std::string_view key) {
    const std::size_t slash = key.rfind('/');
    return slash == std::string_view::npos ? key : key.substr(slash + 1);
}

}  // namespace overlab
