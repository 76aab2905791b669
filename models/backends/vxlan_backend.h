// vxlan: one device flannel.<VNI>; for each peer a permanent neighbour (the peer subnet's .0), an
// FDB row (its VTEP MAC to its public address) and a route through them. With DirectRouting a peer
// on this host's segment is routed to without encapsulation. docs/backends/vxlan.md has the model
// and its limits.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class VxlanBackend final : public Backend {
   public:
    /// Outer IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14 (RFC 7348 §5).
    static constexpr std::uint32_t overhead = 50;

    explicit VxlanBackend(VxlanConfig config);

    [[nodiscard]] std::string_view name() const override { return "vxlan"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override;
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return config_.direct_routing; }
    [[nodiscard]] bool wants_vtep_mac() const override { return true; }
    /// The VTEP MAC: the FDB has one row a MAC.
    [[nodiscard]] std::optional<std::uint64_t> claimed_identity(const Lease& peer) const override;
    [[nodiscard]] std::string identity_text(const Lease& peer) const override;

   private:
    VxlanConfig config_;
    LinkName device_;
};

}  // namespace overlab
