// The rows of a host's forwarding state, as the kernel holds them. A row is a key and a value:
// installing a row whose key is present replaces the value. Rows order by kind first, so that
// ascending order is a valid order to install (a route goes in after the neighbour and FDB row it
// leads to) and descending order is a valid order to withdraw.
//
// Text form (dumps, goldens, failures), one line a row, as `ip` and `bridge` would say it:
//   link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
//   addr 10.244.1.0/32 dev flannel.1
//   neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
//   fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
//   tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0
//   sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
//   policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
//   route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
// A tun device says `link flannel0 tun local 192.0.2.1 port 8285 mtu 1472`; `learning` ends a vxlan
// line, `encap 4500` an sa line; a route without `via` is directly connected.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/net/address.h"

namespace overlab {

/// Interface name; interned small strings would save nothing here: rows are transient.
using LinkName = std::string;

struct LinkRow {
    enum class Kind : std::uint8_t { vxlan, tun };
    LinkName name;  // key
    Kind kind = Kind::vxlan;
    LinkName lower;     ///< external interface; empty for tun
    Ipv4Address local;  ///< outer source (vxlan) or socket address (tun)
    std::uint32_t vni = 0;
    std::uint16_t port = 0;  ///< UDP port of the tunnel
    std::uint32_t mtu = 0;
    MacAddress mac;  ///< zero for tun
    bool learning = false;

    friend bool operator==(const LinkRow&, const LinkRow&) = default;
};

struct AddressRow {
    LinkName link;      // key
    Ipv4Prefix prefix;  // key; flannel puts the subnet's .0 as /32 on its device
    friend bool operator==(const AddressRow&, const AddressRow&) = default;
};

/// A permanent neighbour: IP to MAC.
struct NeighbourRow {
    LinkName link;        // key
    Ipv4Address address;  // key
    MacAddress mac;
    friend bool operator==(const NeighbourRow&, const NeighbourRow&) = default;
};

/// A VXLAN FDB row: MAC to underlay address. One destination a MAC (flannel never uses more).
struct FdbRow {
    LinkName link;   // key
    MacAddress mac;  // key
    Ipv4Address destination;
    friend bool operator==(const FdbRow&, const FdbRow&) = default;
};

/// A peer of the user-space UDP proxy: overlay subnet to underlay socket.
struct TunnelPeerRow {
    LinkName link;      // key
    Ipv4Prefix subnet;  // key
    Ipv4Address destination;
    std::uint16_t port = 0;
    friend bool operator==(const TunnelPeerRow&, const TunnelPeerRow&) = default;
};

/// A security association. Installed by the IKE daemon, never planned by a backend; part of a dump
/// so that walks and traces can follow it. Keys live with the IKE daemon, not here.
struct SaRow {
    Ipv4Address source;       // key
    Ipv4Address destination;  // key
    std::uint32_t spi = 0;    // key
    std::uint32_t reqid = 0;
    std::uint16_t encap_port = 0;  ///< 0: plain ESP; else UDP encapsulation (RFC 3948), 4500
    friend bool operator==(const SaRow&, const SaRow&) = default;
};

struct PolicyRow {
    enum class Direction : std::uint8_t { out, in, fwd };
    Direction direction = Direction::out;  // key
    Ipv4Prefix source;                     // key
    Ipv4Prefix destination;                // key
    Ipv4Address tunnel_source, tunnel_destination;
    std::uint32_t reqid = 0;
    friend bool operator==(const PolicyRow&, const PolicyRow&) = default;
};

struct RouteRow {
    Ipv4Prefix destination;  // key
    LinkName link;
    std::optional<Ipv4Address> gateway;  ///< absent: directly connected (scope link)
    bool onlink = false;                 ///< the gateway is taken to be on `link` without a check
    friend bool operator==(const RouteRow&, const RouteRow&) = default;
};

/// Alternative order is load-bearing: it is the order of installation.
using Row = std::variant<LinkRow, AddressRow, NeighbourRow, FdbRow, TunnelPeerRow, SaRow, PolicyRow,
                         RouteRow>;

/// Compares kind and key only; the value does not take part. Total order over all rows.
[[nodiscard]] std::strong_ordering compare_keys(const Row& a, const Row& b);
[[nodiscard]] inline bool same_key(const Row& a, const Row& b) { return compare_keys(a, b) == 0; }
[[nodiscard]] std::string to_string(const Row& row);
/// Reads the text form back (goldens, goldens' diffs, operator edits in scenarios).
[[nodiscard]] Result<Row> parse_row(std::string_view line);

/// Rows in ascending key order, each key once.
class ForwardingState {
   public:
    /// Sorts; of rows with one key the last given stays.
    [[nodiscard]] static ForwardingState of(std::vector<Row> rows);
    /// As of(), for rows that are in ascending order already, each key once.
    [[nodiscard]] static ForwardingState of_sorted(std::vector<Row> rows);

    void install(Row row);          ///< add or replace
    void withdraw(const Row& key);  ///< absent is success
    [[nodiscard]] const Row* find(const Row& key) const;
    [[nodiscard]] const std::vector<Row>& rows() const& { return rows_; }
    [[nodiscard]] std::vector<Row> rows() && { return std::move(rows_); }
    [[nodiscard]] std::string to_string() const;  ///< one line a row

    friend bool operator==(const ForwardingState&, const ForwardingState&) = default;

   private:
    std::vector<Row> rows_;
};

struct RowChange {
    enum class Action : std::uint8_t { install, withdraw };
    Action action = Action::install;
    Row row;
    friend bool operator==(const RowChange&, const RowChange&) = default;
};

/// What turns `actual` into `desired`, in an order that never leaves a route leading nowhere:
/// withdrawals (descending keys) before installations (ascending keys).
[[nodiscard]] std::vector<RowChange> diff(const ForwardingState& desired,
                                          const ForwardingState& actual);

}  // namespace overlab
