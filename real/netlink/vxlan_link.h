// The vxlan device on the netlink wire (drivers/net/vxlan: vxlan_nl2conf, vxlan_fill_info).
#pragma once

#include <cstdint>
#include <optional>

#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// Asks for a device as flannel's: no learning unless the row wants it, no misses reported, nothing
/// flooded. It is refused if the name is taken. `lower`: ifindex.
void put_vxlan(NetlinkBatch& batch, const LinkRow& row, std::uint32_t lower);

struct VxlanLink {
    LinkRow row;              ///< without `lower`
    std::uint32_t lower = 0;  ///< ifindex; 0: none
};

/// What an RTM_NEWLINK says; empty if the link is no vxlan with an IPv4 end.
[[nodiscard]] std::optional<VxlanLink> read_vxlan(const nlmsghdr& message);

}  // namespace overlab::real
