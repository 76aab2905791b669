// FaultSpec: one thing that breaks in a scenario, when, for how long, and on what; as a value.
// docs/faults.md says for each kind what it does in each world, and which worlds cannot do it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/time.h"
#include "models/net/address.h"

namespace overlab {

/// What a `link_change` sets, in both directions; what is absent stays as the scenario has it.
struct LinkChange {
    std::optional<std::uint64_t> rate_bps;
    std::optional<Duration> delay;
    std::optional<std::uint32_t> loss_ppb;       ///< lost packets per 1e9
    std::optional<std::uint32_t> mtu;            ///< larger packets vanish: switches send no ICMP
    std::optional<std::uint32_t> corrupt_ppb;    ///< arrive with a bad checksum: dropped there
    std::optional<std::uint32_t> duplicate_ppb;  ///< arrive twice
    std::optional<std::uint32_t> reorder_ppb;    ///< overtake those sent up to `delay` before them

    friend bool operator==(const LinkChange&, const LinkChange&) = default;
};

struct FaultSpec {
    enum class Kind : std::uint8_t {
        link_down,          ///< link: loses every packet
        link_change,        ///< link, change
        partition,          ///< hosts: no packet between them and all others
        host_crash,         ///< hosts: power off, all state lost; powered on at the end
        host_pause,         ///< hosts: a long stall: nothing runs, timers fire late
        agent_kill,         ///< hosts: kernel state survives; started again at the end
        store_unreachable,  ///< hosts: their packets to and from the store are lost, no others
        store_leader_loss,  ///< an election gap: nothing is answered or told
        store_compaction,   ///< an instant: all history is forgotten
        store_data_loss,    ///< back to what it held at `restore_from`, watches break
        clock_skew,      ///< hosts: the clock jumps ahead by `offset`, then runs `drift_ppm` fast
        lease_expiry,    ///< an instant; hosts: their etcd lease ends now
        row_delete,      ///< an instant; hosts: an operator deletes rows (`row`, `peer`)
        row_change,      ///< an instant; hosts: ... leads rows (`row`, `peer`) to nowhere
        foreign_route,   ///< hosts: a route that is not ours: `destination` via host `via`
        vtep_mac,        ///< an instant; hosts: the OS gives the VXLAN device another MAC
        store_write,     ///< an instant: somebody writes `value` at `key` under the prefix
        address_change,  ///< an instant; one host: `address`; its agent starts again
        ike_down,        ///< hosts: charon is killed; SAs stay; started again at the end
        key_rotation,    ///< the network's PSK becomes `psk`; agents start again, one by one
    };
    Duration at;
    std::optional<Duration> lasts;  ///< absent: to the end of the run; of an instant always absent
    Kind kind = Kind::link_down;
    std::string name;                ///< unique; `fault-1`, ... in order of time if not given
    std::size_t link = 0;            ///< index into Underlay::links
    std::vector<std::size_t> hosts;  ///< indexes into Underlay::nodes, ascending
    LinkChange change;

    enum class Rows : std::uint8_t { link, address, neigh, fdb, tunnel, policy, route, all };
    Rows rows = Rows::all;            ///< row_delete, row_change: of this kind ...
    std::optional<std::size_t> peer;  ///< ... and only those that lead to this host; else any

    Ipv4Prefix destination;                ///< foreign_route
    std::size_t via = 0;                   ///< foreign_route: a host
    Ipv4Address address;                   ///< address_change: in the host's segment, nobody's
    Duration offset;                       ///< clock_skew: not negative
    std::int32_t drift_ppm = 0;            ///< clock_skew: positive is fast
    std::string key, value;                ///< store_write: `subnets/10.244.9.0-24`
    std::string psk;                       ///< key_rotation
    Duration step = seconds(1);            ///< key_rotation: from one agent's restart to the next
    std::optional<Duration> restore_from;  ///< store_data_loss: an instant; absent: it is empty

    friend bool operator==(const FaultSpec&, const FaultSpec&) = default;
};

/// In the order of the enum; as scenario files spell it.
inline constexpr std::array<std::string_view, 20> fault_kind_names{
    "link_down",  "link_change",       "partition",         "host_crash",       "host_pause",
    "agent_kill", "store_unreachable", "store_leader_loss", "store_compaction", "store_data_loss",
    "clock_skew", "lease_expiry",      "row_delete",        "row_change",       "foreign_route",
    "vtep_mac",   "store_write",       "address_change",    "ike_down",         "key_rotation",
};
[[nodiscard]] constexpr std::string_view to_string(FaultSpec::Kind kind) {
    return fault_kind_names[static_cast<std::size_t>(kind)];
}

/// In the order of FaultSpec::Rows.
inline constexpr std::array<std::string_view, 8> fault_rows_names{
    "link", "address", "neigh", "fdb", "tunnel", "policy", "route", "all"};

/// True if it has no end: it happens, and what follows is left to the system.
[[nodiscard]] constexpr bool is_instant(FaultSpec::Kind kind) {
    using enum FaultSpec::Kind;
    return kind == store_compaction || kind == store_data_loss || kind == lease_expiry ||
           kind == row_delete || kind == row_change || kind == vtep_mac || kind == store_write ||
           kind == address_change;
}

/// When it is over, if it is within the run: an instant's own; a key rotation's last restart.
[[nodiscard]] std::optional<Duration> healed_at(const FaultSpec& fault, std::size_t nodes);

struct Scenario;
/// For people: `host_crash h2`, `link_change h1--tor1 loss 5%`.
[[nodiscard]] std::string describe(const FaultSpec& fault, const Scenario& scenario);

}  // namespace overlab
