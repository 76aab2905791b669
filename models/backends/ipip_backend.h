// ipip: one device flannel.ipip that wraps packets in a second IPv4 header; a route a peer says
// which host they go to. With DirectRouting a peer on this host's segment is routed to without
// encapsulation. docs/backends/ipip.md has the model and its limits.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class IpipBackend final : public Backend {
   public:
    static constexpr std::uint32_t overhead = 20;  ///< outer IPv4 (RFC 2003)

    explicit IpipBackend(IpipConfig config) : config_(config) {}

    [[nodiscard]] std::string_view name() const override { return "ipip"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override;
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return config_.direct_routing; }
    [[nodiscard]] bool wants_vtep_mac() const override { return false; }

   private:
    IpipConfig config_;
};

}  // namespace overlab
