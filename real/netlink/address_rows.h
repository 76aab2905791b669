// Address rows on the netlink wire.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// Adds (present: success) or deletes. `link`: ifindex.
void put_address(NetlinkBatch& batch, RowChange::Action action, const AddressRow& row,
                 std::uint32_t link);

/// True if the link has the address, with whatever prefix length.
[[nodiscard]] Result<bool> has_address(NetlinkSocket& socket, std::uint32_t link,
                                       Ipv4Address address);

/// The IPv4 addresses of a link, ascending. Rows say `name`.
[[nodiscard]] Result<std::vector<AddressRow>> read_addresses(NetlinkSocket& socket,
                                                             std::uint32_t link,
                                                             const LinkName& name);

}  // namespace overlab::real
