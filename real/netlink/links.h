// Links: the interfaces of one network namespace, by name: what a topology is built from. Every
// error starts with the interface's or route's name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/base/netns.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

/// One end of a veth pair. Ends are made down; a zero MAC lets the kernel draw one.
struct VethEnd {
    std::string name;
    MacAddress mac;
    std::uint32_t mtu = 1500;
};

struct NextHop {
    std::string link;
    std::optional<Ipv4Address> gateway;  ///< absent: directly connected
    bool onlink = false;
};

/// As IFLA_STATS64 has them.
struct LinkCounters {
    std::uint64_t sent_packets = 0, sent_bytes = 0, sent_dropped = 0;
    std::uint64_t received_packets = 0, received_bytes = 0, received_dropped = 0;
};

struct LinkFacts {
    std::string name;
    std::uint32_t index = 0;
    std::string kind;   ///< veth, bridge, vxlan, tun; empty for loopback and hardware
    std::string alias;  ///< empty: none
    MacAddress mac;
    std::uint32_t mtu = 0;
    bool up = false;           ///< IFF_UP: as it was set, whatever the carrier says
    std::uint32_t master = 0;  ///< ifindex; 0: none
    LinkCounters counters;
};

/// What an RTM_NEWLINK says; empty for any other message.
[[nodiscard]] std::optional<LinkFacts> read_link(const nlmsghdr& message);

class Links {
   public:
    /// One socket, opened in the namespace; calls need no change of namespace then. `netns` must
    /// outlive this.
    [[nodiscard]] static Result<Links> open(const Netns& netns);

    /// A pair with `here` in this namespace and `there` in another (may be the same). Errors:
    /// already_exists, unsupported, unavailable.
    [[nodiscard]] Result<void> add_veth(const VethEnd& here, const VethEnd& there,
                                        const Netns& there_netns);
    /// Spanning tree off, no multicast snooping; a port forwards at once. A zero MAC follows its
    /// ports.
    [[nodiscard]] Result<void> add_bridge(const std::string& name, std::uint32_t mtu = 1500,
                                          MacAddress mac = {});
    [[nodiscard]] Result<void> remove(const std::string& name);  ///< absent: success
    /// Empty `bridge`: takes it out of its bridge.
    [[nodiscard]] Result<void> set_master(const std::string& name, const std::string& bridge);
    [[nodiscard]] Result<void> set_up(const std::string& name, bool up);
    [[nodiscard]] Result<void> set_mtu(const std::string& name, std::uint32_t mtu);
    [[nodiscard]] Result<void> set_alias(const std::string& name, std::string_view alias);
    /// The address and its connected route. Present: success.
    [[nodiscard]] Result<void> add_address(const std::string& name, Ipv4Address address,
                                           unsigned prefix_length);
    [[nodiscard]] Result<void> remove_address(const std::string& name, Ipv4Address address,
                                              unsigned prefix_length);  ///< absent: success
    /// Protocol static, main table; several hops share by flow. A route that is there already (same
    /// destination and metric) is replaced.
    [[nodiscard]] Result<void> set_route(Ipv4Prefix destination, std::span<const NextHop> hops,
                                         std::uint32_t metric = 0);
    /// Of protocol static; absent: success.
    [[nodiscard]] Result<void> remove_route(Ipv4Prefix destination, std::uint32_t metric = 0);
    /// A permanent neighbour: IP to MAC. Replaces.
    [[nodiscard]] Result<void> set_neighbour(const std::string& name, Ipv4Address address,
                                             MacAddress mac);

    /// /proc/sys/`key` in this namespace, e.g. `net/ipv4/ip_forward`. Errors: not_found (this
    /// kernel has no such setting), unsupported, invalid_argument.
    [[nodiscard]] Result<void> set_sysctl(std::string_view key, std::string_view value);
    [[nodiscard]] Result<std::string> sysctl(std::string_view key);  ///< without the line's end

    [[nodiscard]] Result<LinkFacts> facts(const std::string& name);
    [[nodiscard]] Result<std::vector<LinkFacts>> list();  ///< ascending by ifindex
    [[nodiscard]] Result<std::uint32_t> index_of(const std::string& name);
    /// For messages that this class does not know (tc, for one).
    [[nodiscard]] NetlinkSocket& socket() { return socket_; }

   private:
    Links(NetlinkSocket socket, const Netns& netns);
    [[nodiscard]] Result<void> run(std::string_view object, NetlinkBatch& batch);

    NetlinkSocket socket_;
    const Netns* netns_;
};

}  // namespace overlab::real
