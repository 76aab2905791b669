#include "models/crosscheck/meddling.h"

#include <utility>
#include <variant>

namespace overlab {
namespace {

constexpr std::uint32_t smaller_mtu_by = 100;

Ipv4Address neighbour_of(Ipv4Address address) { return {address.bits ^ 1U}; }

// Each makes the row another one, or answers false if no value of it is worth having.
bool alter(LinkRow& row) {
    row.mtu -= smaller_mtu_by;
    return true;
}
bool alter(NeighbourRow& row) {
    row.mac.bits ^= 0x10;
    return true;
}
bool alter(FdbRow& row) {
    row.destination = neighbour_of(row.destination);
    return true;
}
bool alter(TunnelPeerRow& row) {
    row.destination = neighbour_of(row.destination);
    return true;
}
/// Not the endpoint: WireGuard corrects it by itself as soon as the peer is heard from.
bool alter(WireguardPeerRow& row) {
    row.keepalive_s = row.keepalive_s == 0 ? 25 : 0;
    return true;
}
bool alter(RouteRow& row) {
    // A gateway that is not taken on trust may be one that the kernel refuses.
    if (!row.gateway || !row.onlink) return false;
    row.gateway = neighbour_of(*row.gateway);
    return true;
}
bool alter(PolicyRow& row) {
    if (row.direction != PolicyRow::Direction::out) return false;
    row.tunnel_destination = neighbour_of(row.tunnel_destination);
    return true;
}
bool alter(auto& /*row*/) { return false; }

}  // namespace

std::optional<RowChange> meddling(const ForwardingState& rows, std::uint32_t pick, bool change) {
    if (rows.rows().empty()) return std::nullopt;
    Row row = rows.rows()[pick % rows.rows().size()];
    const bool altered = change && std::visit([](auto& each) { return alter(each); }, row);
    return RowChange{altered ? RowChange::Action::install : RowChange::Action::withdraw,
                     std::move(row)};
}

}  // namespace overlab
