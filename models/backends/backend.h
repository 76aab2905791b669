// Backend: pure per-peer planning. Given the local host, the configuration and one peer's lease,
// which rows must the host hold, or why can there be none. No state, no clock, no order dependence:
// the same question always has the same answer, so a plan for one peer equals that peer's share of
// a plan from scratch.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/rng.h"
#include "models/forwarding/rows.h"
#include "models/lease/lease.h"
#include "models/lease/network_config.h"
#include "models/ports/host_stack.h"
#include "models/ports/ike_daemon.h"

namespace overlab {

/// The local side of every plan.
struct LocalNode {
    HostFacts host;
    LeaseSubnet subnet;
    MacAddress vtep_mac;  ///< vxlan only
};

/// What one peer (or the host itself) needs.
struct Plan {
    std::vector<Row> rows;                    ///< unordered
    std::optional<IkeConnection> connection;  ///< ipsec
    std::string unsupported;  ///< why there are no rows, e.g. `peer behind a router`
    std::string note;         ///< there are rows, but a person should know this

    friend bool operator==(const Plan&, const Plan&) = default;
};

/// How a peer's address is reached from here, asked of the HostStack before planning.
enum class Reach : std::uint8_t { on_link, routed, unknown };

class Backend {
   public:
    virtual ~Backend() = default;

    /// Lower-case name as in `Backend.Type`.
    [[nodiscard]] virtual std::string_view name() const = 0;

    /// The pods' MTU for an underlay MTU (flannel's subtraction).
    [[nodiscard]] virtual std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const = 0;

    /// What this host publishes in its lease.
    [[nodiscard]] virtual LeaseAttributes attributes(const HostFacts& host,
                                                     MacAddress vtep_mac) const = 0;

    /// Rows the host needs whether or not there are peers: device, address, whole-network route.
    [[nodiscard]] virtual Plan plan_local(const LocalNode& local) const = 0;

    /// Rows for `peer`. A peer of another backend type is answered with `unsupported`.
    [[nodiscard]] virtual Plan plan_peer(const LocalNode& local, const Lease& peer,
                                         Reach reach) const = 0;

    /// True if plan_peer's answer depends on `reach`.
    [[nodiscard]] virtual bool wants_reach() const = 0;

    /// True if a VTEP MAC must be drawn for this host.
    [[nodiscard]] virtual bool wants_vtep_mac() const = 0;

    /// What only one peer may be, where the backend keys rows by something that a peer chooses: its
    /// VTEP MAC, its public key. As a number; equal numbers are equal things.
    [[nodiscard]] virtual std::optional<std::uint64_t> claimed_identity(
        const Lease& /*peer*/) const {
        return std::nullopt;
    }
    /// The same for people: `VTEP MAC 02:00:00:00:00:01`. Asked only of leases that claim one.
    [[nodiscard]] virtual std::string identity_text(const Lease& /*peer*/) const { return {}; }
};

/// The backend for a configuration. Errors: unsupported (a type that overlab does not plan yet; the
/// message lists those it does).
[[nodiscard]] Result<std::unique_ptr<Backend>> make_backend(const NetworkConfig& config);

/// A locally administered unicast MAC from the stream: first octet's bit 0 clear, bit 1 set.
[[nodiscard]] MacAddress draw_vtep_mac(Rng& rng);

}  // namespace overlab
