// udp: a TUN device and a user-space proxy that sends each packet as the payload of one UDP
// datagram, bare. One route covers the whole network; the proxy finds the peer.
// docs/backends/udp.md has the model.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class UdpBackend final : public Backend {
   public:
    static constexpr std::uint32_t overhead = 28;  ///< outer IPv4 20 + UDP 8

    UdpBackend(UdpConfig config, Ipv4Prefix network) : config_(config), network_(network) {}

    [[nodiscard]] std::string_view name() const override { return "udp"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override;
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return false; }
    [[nodiscard]] bool wants_vtep_mac() const override { return false; }

   private:
    UdpConfig config_;
    Ipv4Prefix network_;
};

}  // namespace overlab
