// HostWall: what a host neither takes in nor sends, as somebody between it and the others would
// see to: for partitions and for a store out of reach. Rules of nftables in a table of their own in
// the host's namespace, before anything of the host's own looks at a packet.
//
// A packet of a peer is known by its outer addresses and by the peer's MAC: behind a router the MAC
// is the router's, and with host-gw, which needs no router, the address is a pod's. ARP passes.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/base/netns.h"

namespace overlab::real {

struct WallPlan {
    std::vector<Ipv4Address> addresses;  ///< nothing from or to these
    std::vector<MacAddress> macs;        ///< nothing from these
    /// No TCP segment from or to this port of these: the store.
    std::vector<Ipv4Address> store;
    std::uint16_t store_port = 2379;

    friend bool operator==(const WallPlan&, const WallPlan&) = default;
    [[nodiscard]] bool open() const { return addresses.empty() && macs.empty() && store.empty(); }
};

/// In place of the host's last wall. Errors: unsupported (a kernel without nftables), unavailable,
/// in the packet filter's words.
[[nodiscard]] Result<void> set_wall(const Netns& host, const WallPlan& plan);

}  // namespace overlab::real
