// The ipip device on the netlink wire (net/ipv4/ipip.c: ipip_netlink_parms, ipip_fill_info).
#pragma once

#include <optional>

#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// Asks for a device as flannel's: a local address and no remote one, DF and TTL as of the inner
/// packet. It is refused if the name is taken.
void put_ipip(NetlinkBatch& batch, const LinkRow& row);

/// What an RTM_NEWLINK says, without the MTU; empty if the link is no ipip. A device with other
/// settings than put_ipip()'s has no local address here, and so is unlike any wish.
[[nodiscard]] std::optional<LinkRow> read_ipip(const nlmsghdr& message);

}  // namespace overlab::real
