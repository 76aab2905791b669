// Route rows on the netlink wire: IPv4, unicast, main table.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// What a new route does to one that is there with the same destination and metric.
enum class Present : std::uint8_t { refuse, replace };

/// The metric that a route of ours to `destination` gets: its network's number among those of its
/// length, which no other destination of that length has.
[[nodiscard]] constexpr std::uint32_t metric_of(Ipv4Prefix destination) {
    return destination.length == 0 ? 0U : destination.network.bits >> (32U - destination.length);
}

/// `link`: ifindex; `protocol`: rtm_protocol.
void put_route(NetlinkBatch& batch, const RouteRow& row, std::uint32_t link, std::uint8_t protocol,
               Present present);
/// Deletes a route of that protocol, whatever else it says.
void put_route_deletion(NetlinkBatch& batch, Ipv4Prefix destination, std::uint8_t protocol);

struct KernelRoute {
    Ipv4Prefix destination;
    std::uint32_t link = 0;  ///< ifindex; 0: none or several
    std::optional<Ipv4Address> gateway;
    bool onlink = false;
    std::uint8_t protocol = 0;
};

/// All of the main table, whoever made them, ascending by destination.
[[nodiscard]] Result<std::vector<KernelRoute>> read_routes(NetlinkSocket& socket);

/// As `ip route get`: true if no gateway stands between. A default route without a gateway says
/// nothing about the neighbourhood and does not count. Errors: not_found (no route).
[[nodiscard]] Result<bool> ask_on_link(NetlinkSocket& socket, Ipv4Address address);

}  // namespace overlab::real
