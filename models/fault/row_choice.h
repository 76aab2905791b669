// Which rows an operator's hand hits (FaultSpec: row_delete, row_change), as changes that a
// HostStack takes: the same in every world.
#pragma once

#include <optional>
#include <vector>

#include "models/fault/fault.h"
#include "models/forwarding/rows.h"
#include "models/net/address.h"

namespace overlab {

/// The host that rows must lead to.
struct RowPeer {
    Ipv4Address address;               ///< on the underlay
    std::optional<Ipv4Prefix> subnet;  ///< its lease's; absent: it holds none
};

/// Rows of that kind that lead to `peer` (to anywhere, and those that lead nowhere, if absent), in
/// `state`'s order. A link or an address leads to nobody. SAs are never chosen: they are the IKE
/// daemon's.
[[nodiscard]] std::vector<Row> choose_rows(const ForwardingState& state, FaultSpec::Rows kind,
                                           const std::optional<RowPeer>& peer);

/// Where rows are led by row_change: addresses of documentation (RFC 5737, RFC 7042), nobody's.
inline constexpr Ipv4Address nowhere_address{0xc63364fe};   // 198.51.100.254
inline constexpr MacAddress nowhere_mac{0x0000'5e00'53fe};  // 00:00:5e:00:53:fe

/// The row with another value, so that packets that follow it are lost; none for a row that leads
/// nowhere in the first place (a link, an address, a filter, a route without a gateway).
[[nodiscard]] std::optional<Row> led_nowhere(const Row& row);

/// The edits themselves, in an order that a stack takes.
[[nodiscard]] std::vector<RowChange> deletion_of(const ForwardingState& state, FaultSpec::Rows kind,
                                                 const std::optional<RowPeer>& peer);
[[nodiscard]] std::vector<RowChange> misleading_of(const ForwardingState& state,
                                                   FaultSpec::Rows kind,
                                                   const std::optional<RowPeer>& peer);

}  // namespace overlab
