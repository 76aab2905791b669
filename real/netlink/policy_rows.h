// Policy rows and SAs on the netlink wire (NETLINK_XFRM). A policy of ours has one template: ESP in
// tunnel mode with our reqid.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

enum class PolicyChange : std::uint8_t { add, update, remove };

/// `add` is refused with already_exists if there is one with these selectors, whoever's.
void put_policy(NetlinkBatch& batch, PolicyChange change, const PolicyRow& row);

/// The policy with the selectors and direction of `key`. Empty: it is no tunnel policy of one
/// template. Errors: not_found.
[[nodiscard]] Result<std::optional<PolicyRow>> ask_policy(NetlinkSocket& socket,
                                                          const PolicyRow& key);

/// All IPv4 ESP tunnel policies of this reqid, ascending by key.
[[nodiscard]] Result<std::vector<PolicyRow>> read_policies(NetlinkSocket& socket,
                                                           std::uint32_t reqid);

/// Every IPv4 ESP association, whoever made it, ascending by key.
[[nodiscard]] Result<std::vector<SaRow>> read_associations(NetlinkSocket& socket);

}  // namespace overlab::real
