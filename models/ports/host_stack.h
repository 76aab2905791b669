// HostStack: one host's network stack, as the node sees it.
#pragma once

#include <span>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "models/net/address.h"

namespace overlab {

/// What a backend must know of the host it plans for.
struct HostFacts {
    std::string name;
    LinkName external_link;  ///< e.g. eth0
    Ipv4Address external_address;
    std::uint32_t external_mtu = 1500;
    /// The public half of the key that the stack gives its WireGuard device, in base64; empty where
    /// the world does no WireGuard. The private half never leaves the stack.
    std::string wireguard_public_key;

    friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

class HostStack {
   public:
    virtual ~HostStack() = default;

    [[nodiscard]] virtual HostFacts facts() const = 0;

    /// Rows that carry our mark (route protocol, reqid, link names); foreign rows are not ours to
    /// see. SAs are left out: they belong to the IKE daemon.
    [[nodiscard]] virtual Result<ForwardingState> dump() = 0;

    /// Applies the changes in order; one outcome a change, in the same order. A failed change does
    /// not stop those after it. Installing what is present and withdrawing what is absent succeed.
    [[nodiscard]] virtual std::vector<Result<void>> apply(std::span<const RowChange> changes) = 0;

    /// True if `address` is reachable without a router: DirectRouting and host-gw ask it, as
    /// `ip route get` answers. Errors: not_found (no route at all).
    [[nodiscard]] virtual Result<bool> on_link(Ipv4Address address) = 0;
};

}  // namespace overlab
