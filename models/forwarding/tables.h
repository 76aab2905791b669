// ForwardingTables: a host's forwarding state in lookup form. The simulated host and PacketWalk both ask
// this one, so a packet in sim and a packet on paper can never disagree. Compact: a 5,000-host cluster
// holds 25 million peer entries of it in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/base/flat_hash.h"
#include "models/forwarding/rows.h"

namespace overlab {

/// Index of a link in this host's tables; stable while the link exists.
using LinkIndex = std::uint16_t;
inline constexpr LinkIndex no_link = 0xffff;

struct TableLink {
    LinkName name;
    enum class Kind : std::uint8_t { ethernet, bridge, vxlan, tun } kind = Kind::ethernet;
    LinkIndex lower = no_link;  ///< vxlan: the external interface
    Ipv4Address local;          ///< vxlan, tun: outer source address
    std::uint32_t vni = 0;
    std::uint16_t port = 0;
    std::uint32_t mtu = 1500;
    MacAddress mac;
    bool present = false;       ///< false: a withdrawn row's slot
    bool own = false;           ///< made by a row (not by the host itself)
    bool learning = false;
};

struct RouteEntry {
    LinkIndex link = no_link;
    bool has_gateway = false;
    bool onlink = false;
    bool own = false;        ///< carries our route protocol; the host's own routes do not
    Ipv4Address gateway;
};

struct PolicyEntry {
    Ipv4Address tunnel_source, tunnel_destination;
    std::uint32_t reqid = 0;
};

struct SaEntry {
    std::uint32_t spi = 0;
    std::uint32_t reqid = 0;
    std::uint16_t encap_port = 0;
};

/// One way a destination can be reached by route: the entry and the prefix that matched.
struct RouteMatch {
    RouteEntry entry;
    Ipv4Prefix prefix;
};

class ForwardingTables {
   public:
    /// Host set-up: links, addresses and routes that are the host's own and never dumped.
    LinkIndex add_host_link(TableLink link);
    void add_host_address(LinkIndex link, Ipv4Prefix address);  ///< also its connected route
    void add_host_route(Ipv4Prefix destination, RouteEntry entry);

    /// Rows from the node. Errors: not_found (the row names a link that is absent), invalid_argument
    /// (a gateway that is not on-link: kernel's "Nexthop has invalid gateway").
    [[nodiscard]] Result<void> install(const Row& row);
    [[nodiscard]] Result<void> withdraw(const Row& row);
    /// Own rows, SAs not included unless asked for.
    [[nodiscard]] ForwardingState dump(bool with_sas = false) const;
    [[nodiscard]] std::size_t own_row_count() const;

    // Lookups, each O(1) or O(distinct prefix lengths).
    [[nodiscard]] std::optional<RouteMatch> route(Ipv4Address destination) const;
    [[nodiscard]] std::optional<MacAddress> neighbour(LinkIndex link, Ipv4Address address) const;
    [[nodiscard]] std::optional<Ipv4Address> fdb(LinkIndex link, MacAddress mac) const;
    [[nodiscard]] std::optional<std::pair<Ipv4Address, std::uint16_t>> tunnel_peer(
        LinkIndex link, Ipv4Address destination) const;
    /// The out (in, fwd) policy whose selectors match; longest destination wins.
    [[nodiscard]] const PolicyEntry* policy(PolicyRow::Direction direction, Ipv4Address source,
                                            Ipv4Address destination) const;
    /// The newest SA for a tunnel.
    [[nodiscard]] const SaEntry* outbound_sa(Ipv4Address source, Ipv4Address destination,
                                             std::uint32_t reqid) const;
    [[nodiscard]] bool has_inbound_sa(Ipv4Address destination, std::uint32_t spi) const;
    [[nodiscard]] bool any_policies() const;

    [[nodiscard]] bool is_local(Ipv4Address address) const;
    [[nodiscard]] const TableLink& link(LinkIndex index) const { return links_[index]; }
    [[nodiscard]] LinkIndex find_link(std::string_view name) const;  ///< no_link if absent
    [[nodiscard]] std::span<const TableLink> links() const { return links_; }
    /// Bumped by every change: a cheap "is my cached lookup still right".
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

   private:
    std::vector<TableLink> links_;
    std::uint64_t generation_ = 0;
    // (further members are the implementation's business)
};

}  // namespace overlab
