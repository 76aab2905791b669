// Neighbour and FDB rows on the netlink wire. Both are RTM_*NEIGH: a neighbour is of family
// AF_INET, an FDB row of AF_BRIDGE with NTF_SELF, which vxlan answers itself (vxlan_fdb_add).
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// Permanent; adds or replaces. `link`: ifindex.
void put_neighbour(NetlinkBatch& batch, RowChange::Action action, const NeighbourRow& row,
                   std::uint32_t link);
/// Withdrawing deletes all of the MAC's destinations.
void put_fdb(NetlinkBatch& batch, RowChange::Action action, const FdbRow& row, std::uint32_t link);

/// The permanent ones of a link, ascending by address. Rows say `name`.
[[nodiscard]] Result<std::vector<NeighbourRow>> read_neighbours(NetlinkSocket& socket,
                                                                std::uint32_t link,
                                                                const LinkName& name);
/// Ascending by MAC. What the device learnt is not among them.
[[nodiscard]] Result<std::vector<FdbRow>> read_fdb(NetlinkSocket& socket, std::uint32_t link,
                                                   const LinkName& name);

}  // namespace overlab::real
