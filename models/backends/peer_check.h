// What makes a peer's lease impossible to plan for, whatever the backend.
#pragma once

#include <string>
#include <string_view>

#include "models/backends/backend.h"

namespace overlab {

/// Why `peer` can have no rows on `local`, or an empty string. `backend` is our name; `published`
/// is the BackendType that peers of ours write (udp writes none).
[[nodiscard]] std::string refuse_peer(std::string_view backend, std::string_view published,
                                      const LocalNode& local, const Lease& peer);

/// `mtu` less what the encapsulation adds; 0 where nothing is left.
[[nodiscard]] constexpr std::uint32_t mtu_inside(std::uint32_t mtu, std::uint32_t overhead) {
    return mtu > overhead ? mtu - overhead : 0;
}

}  // namespace overlab
