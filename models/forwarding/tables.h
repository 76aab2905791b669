// ForwardingTables: a host's forwarding state in lookup form. The simulated host and PacketWalk
// both ask this one, so a packet in sim and a packet on paper can never disagree. Compact: a
// 5,000-host cluster holds 25 million peer entries of it in memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/base/flat_hash.h"
#include "models/forwarding/policy_table.h"
#include "models/forwarding/prefix_map.h"
#include "models/forwarding/rows.h"
#include "models/forwarding/sa_table.h"

namespace overlab {

/// Index of a link in this host's tables; stable while the link exists.
using LinkIndex = std::uint16_t;
inline constexpr LinkIndex no_link = 0xffff;

struct TableLink {
    LinkName name;
    enum class Kind : std::uint8_t {
        ethernet,
        bridge,
        vxlan,
        tun,
        ipip,
        wireguard
    } kind = Kind::ethernet;
    LinkIndex lower = no_link;  ///< vxlan: the external interface
    Ipv4Address local;          ///< vxlan, tun, ipip: outer source address
    std::uint32_t vni = 0;
    std::uint16_t port = 0;
    std::uint32_t mtu = 1500;
    MacAddress mac;
    bool present = false;  ///< false: a withdrawn row's slot
    bool own = false;      ///< made by a row (not by the host itself)
    bool learning = false;
};

struct RouteEntry {
    LinkIndex link = no_link;
    bool has_gateway = false;
    bool onlink = false;
    bool own = false;  ///< carries our route protocol; the host's own routes do not
    Ipv4Address gateway{};
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
    /// An interface address and its connected route.
    void add_host_address(LinkIndex link, Ipv4Address address, unsigned prefix_length);
    /// The same in `192.0.2.1/24` form: here alone an Ipv4Prefix keeps its host bits, they are the
    /// address.
    void add_host_address(LinkIndex link, Ipv4Prefix address) {
        add_host_address(link, address.network, address.length);
    }
    /// Replaces what there is, one of our own rows too.
    void add_host_route(Ipv4Prefix destination, RouteEntry entry);
    /// Undoes add_host_address.
    void remove_host_address(LinkIndex link, Ipv4Address address, unsigned prefix_length);
    /// Undoes add_host_route. A route that a row has put there stays.
    void remove_host_route(Ipv4Prefix destination);
    void set_host_link_mtu(LinkIndex link, std::uint32_t mtu);
    void set_host_link_address(LinkIndex link, Ipv4Address local);

    /// Rows from the node. Errors: not_found (the row names a link that is absent),
    /// invalid_argument (a gateway that is not on-link: kernel's "Nexthop has invalid gateway"),
    /// already_exists (the name or destination is the host's own). A link whose kind, VNI, port,
    /// local address or lower device changes is made anew, as the kernel can do no better: rows on
    /// it are lost.
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
    /// The rows behind policy() and tunnel_peer(), for people.
    [[nodiscard]] std::optional<PolicyRow> policy_row(PolicyRow::Direction direction,
                                                      Ipv4Address source,
                                                      Ipv4Address destination) const;
    [[nodiscard]] std::optional<TunnelPeerRow> tunnel_peer_row(LinkIndex link,
                                                               Ipv4Address destination) const;
    /// The peer of a WireGuard device whose allowed prefix holds `inner` (a destination to send to,
    /// a source that was received), the longest prefix first; null if none. Good until the next
    /// change. A scan: no simulated packet asks.
    [[nodiscard]] const WireguardPeerRow* wireguard_peer(LinkIndex link, Ipv4Address inner) const;
    /// The newest SA for a tunnel.
    [[nodiscard]] const SaEntry* outbound_sa(Ipv4Address source, Ipv4Address destination,
                                             std::uint32_t reqid) const;
    [[nodiscard]] bool has_inbound_sa(Ipv4Address destination, std::uint32_t spi) const;
    [[nodiscard]] bool any_policies() const;

    [[nodiscard]] bool is_local(Ipv4Address address) const;
    /// An address that a row has put on the link; the lowest, none if there is none.
    [[nodiscard]] std::optional<Ipv4Address> row_address(LinkIndex link) const;
    [[nodiscard]] const TableLink& link(LinkIndex index) const { return links_[index]; }
    [[nodiscard]] LinkIndex find_link(std::string_view name) const;  ///< no_link if absent
    [[nodiscard]] std::span<const TableLink> links() const { return links_; }
    /// Bumped by every change: a cheap "is my cached lookup still right".
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

   private:
    /// Keys are integers and values are packed: three rows of one peer take about 60 bytes at the
    /// usual load, and names never.
    struct PackedMac {
        std::array<std::uint16_t, 3> words;
    };
    struct PackedRoute {
        Ipv4Address gateway;
        LinkIndex link;
        std::uint16_t flags;
    };
    struct TunnelPeer {
        Ipv4Address destination;
        std::uint16_t port;
    };
    struct LinkTables {
        FlatHash<std::uint32_t, PackedMac> neighbours;
        FlatHash<std::uint64_t, std::uint32_t> fdb;
        PrefixMap<TunnelPeer> tunnel_peers;
    };
    struct OwnAddress {
        LinkIndex link;
        Ipv4Prefix prefix;
        friend bool operator==(const OwnAddress&, const OwnAddress&) = default;
    };

    [[nodiscard]] static PackedMac pack(MacAddress mac);
    [[nodiscard]] static MacAddress unpack(PackedMac mac);
    [[nodiscard]] static PackedRoute pack(const RouteEntry& entry);
    [[nodiscard]] static RouteEntry unpack(const PackedRoute& route);
    [[nodiscard]] Result<LinkIndex> need_link(const LinkName& name, const Row& row) const;

    [[nodiscard]] Result<void> add(const LinkRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const AddressRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const NeighbourRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const FdbRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const TunnelPeerRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const WireguardPeerRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const SaRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const PolicyRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const FilterRow& row, const Row& whole);
    [[nodiscard]] Result<void> add(const RouteRow& row, const Row& whole);
    [[nodiscard]] Result<void> check_gateway(const RouteRow& row, LinkIndex link) const;
    void remove(const LinkRow& row);
    void remove(const AddressRow& row);
    void remove(const NeighbourRow& row);
    void remove(const FdbRow& row);
    void remove(const TunnelPeerRow& row);
    void remove(const WireguardPeerRow& row);
    void remove(const SaRow& row);
    void remove(const PolicyRow& row);
    void remove(const FilterRow& row);
    void remove(const RouteRow& row);

    [[nodiscard]] LinkIndex free_slot(std::string_view name);
    void drop_rows_on(LinkIndex index);
    void count_local(Ipv4Address address, int step);
    void dump_links(const std::vector<LinkIndex>& order, std::vector<Row>& rows) const;
    void dump_neighbours(const std::vector<LinkIndex>& order, std::vector<Row>& rows) const;
    void dump_fdb(const std::vector<LinkIndex>& order, std::vector<Row>& rows) const;
    void dump_tunnel_peers(const std::vector<LinkIndex>& order, std::vector<Row>& rows) const;
    void dump_routes(std::vector<Row>& rows) const;

    std::vector<TableLink> links_;
    std::vector<LinkTables> link_tables_;           ///< by LinkIndex
    std::vector<OwnAddress> own_addresses_;         ///< unordered; a handful
    FlatHash<std::uint32_t, std::uint16_t> local_;  ///< address to how often it is there
    PrefixMap<PackedRoute> routes_;
    std::size_t own_routes_ = 0;
    ForwardingState wireguard_peers_;  ///< WireguardPeerRow only
    ForwardingState filters_;          ///< FilterRow only: held and shown, applied to no packet
    PolicyTable policies_;
    SaTable sas_;
    std::uint64_t generation_ = 0;
};

}  // namespace overlab
