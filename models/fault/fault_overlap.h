// What several faults that are under way at once come to, as pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/fault/fault.h"

namespace overlab {

/// All changes in force, oldest first: per field the last one that names it.
[[nodiscard]] LinkChange merged(std::span<const LinkChange* const> changes);

/// The finest common partition of all partitions in force: hosts that every one of them has on the
/// same side stay together. Groups ascending by their lowest host; the hosts that no partition
/// names are the group that is left out.
[[nodiscard]] std::vector<std::vector<std::size_t>> common_groups(
    std::span<const std::vector<std::size_t>* const> partitions);

/// `network_json` with its Backend's PSK replaced. Errors: unsupported (there is none to replace).
[[nodiscard]] Result<std::string> with_psk(std::string_view network_json, const std::string& psk);

}  // namespace overlab
