// WireguardWriter: WireGuard peers on their way into the kernel, many a system call. As RowWriter.
#pragma once

#include <cstddef>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/link_table.h"
#include "real/netlink/wireguard_devices.h"

namespace overlab::real {

class WireguardWriter {
   public:
    /// `side` may be null: there is no WireGuard here. One outcome is written for each change, at
    /// once or by flush(). All must outlive the writer.
    WireguardWriter(WireguardSide* side, LinkTable& links, std::vector<Result<void>>& outcomes)
        : side_(side), links_(&links), outcomes_(&outcomes) {}

    /// `row` is `change`'s, and both stay where they are until flush().
    void add(std::size_t index, const RowChange& change, const WireguardPeerRow& row);
    void flush();

   private:
    /// Empty if the peer's device is there and ours.
    [[nodiscard]] Result<void> check_device(const WireguardPeerRow& row);

    WireguardSide* side_;
    LinkTable* links_;
    std::vector<Result<void>>* outcomes_;
    std::vector<const RowChange*> pending_;
    std::vector<std::size_t> indices_;  ///< of their outcomes
};

}  // namespace overlab::real
