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
//   peer <public key> endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg keepalive 25
//   sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
//   policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
//   filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random
//   route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
// Other devices:
//   link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
//   link flannel.ipip ipip local 192.0.2.1 mtu 1480
//   link flannel-wg wireguard port 51820 mtu 1420
// `learning` ends a vxlan line, `encap 4500` an sa line, `keepalive 25` and `psk #0badcafe` a peer
// line; `filter forward 10.244.0.0/16` is the other filter; a route without `via` is directly
// connected.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/net/address.h"
#include "models/net/wireguard_key.h"

namespace overlab {

/// Interface name; interned small strings would save nothing here: rows are transient.
using LinkName = std::string;

struct LinkRow {
    enum class Kind : std::uint8_t { vxlan, tun, ipip, wireguard };
    LinkName name;  // key
    Kind kind = Kind::vxlan;
    LinkName lower;     ///< external interface; empty but for vxlan
    Ipv4Address local;  ///< outer source (vxlan, ipip) or socket address (tun)
    std::uint32_t vni = 0;
    std::uint16_t port = 0;  ///< UDP port of the tunnel; 0 for ipip
    std::uint32_t mtu = 0;
    MacAddress mac;  ///< zero but for vxlan
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

/// The pre-shared key of a WireGuard peer. Its value is the fingerprint, which is what is compared,
/// printed and read back; the key itself rides along for the stack that installs the row and is in
/// no text. One key serves a whole network, so all of its rows share one copy.
struct WireguardPsk {
    std::uint32_t fingerprint = 0;                      ///< 0: no pre-shared key
    std::shared_ptr<const WireguardKey> key = nullptr;  ///< null in a row that was read from text

    [[nodiscard]] static WireguardPsk of(const WireguardKey& key);
    [[nodiscard]] bool given() const { return fingerprint != 0; }
    friend bool operator==(const WireguardPsk& a, const WireguardPsk& b) {
        return a.fingerprint == b.fingerprint;
    }
};

/// A peer of a WireGuard device: who may send from `allowed`, and to whom what is for it goes. Our
/// own private key is in no row: the host's stack has it.
struct WireguardPeerRow {
    LinkName link;            // key
    WireguardKey public_key;  // key
    Ipv4Address endpoint;
    std::uint16_t port = 0;
    std::uint16_t keepalive_s = 0;  ///< 0: none
    Ipv4Prefix allowed;             ///< one prefix a peer (flannel never uses more IPv4 ones)
    WireguardPsk psk;
    friend bool operator==(const WireguardPeerRow&, const WireguardPeerRow&) = default;
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

/// A set of packet filter rules, as one thing: what flannel writes for a network.
///   forward: packets from and to `network` are accepted.
///   masquerade: what pods send out of `network` gets the host's address, and so does what enters
///   `network` from elsewhere on this host; traffic within it, and what comes from outside to this
///   host's own `subnet`, keeps its addresses.
struct FilterRow {
    enum class Kind : std::uint8_t { forward, masquerade };
    Kind kind = Kind::forward;  // key
    Ipv4Prefix network;         // key
    Ipv4Prefix subnet{};        ///< masquerade: this host's own
    bool fully_random = false;  ///< masquerade: source ports are drawn, not counted up
    friend bool operator==(const FilterRow&, const FilterRow&) = default;
};

struct RouteRow {
    Ipv4Prefix destination;  // key
    LinkName link;
    std::optional<Ipv4Address> gateway;  ///< absent: directly connected (scope link)
    bool onlink = false;                 ///< the gateway is taken to be on `link` without a check
    friend bool operator==(const RouteRow&, const RouteRow&) = default;
};

/// Alternative order is load-bearing: it is the order of installation.
using Row = std::variant<LinkRow, AddressRow, NeighbourRow, FdbRow, TunnelPeerRow, WireguardPeerRow,
                         SaRow, PolicyRow, FilterRow, RouteRow>;

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
