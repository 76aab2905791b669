// What only ethtool's requests can do to an interface: offloads off, and the line settled.
#pragma once

#include <string>

#include "models/base/error.h"
#include "real/base/netns.h"

namespace overlab::real {

/// Turns off checksum and segmentation offload and receive aggregation of an interface, so that
/// every frame that crosses it is one that a wire could carry. Errors: not_found, unsupported.
[[nodiscard]] Result<void> turn_offloads_off(const Netns& netns, const std::string& interface);

/// The kernel notices that a line has come up a little later than it says (linkwatch), and until
/// then an interface that is up drops what it is given. This makes it notice now. For veths and
/// bridges that are up at both ends. Errors: not_found, unavailable (no line).
[[nodiscard]] Result<void> settle_line(const Netns& netns, const std::string& interface);

}  // namespace overlab::real
