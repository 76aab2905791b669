// ipsec: no device and no routes; three XFRM policies a peer catch what its subnet and ours
// exchange, and an IKE connection a peer negotiates the SAs. docs/backends/ipsec.md has the model
// and its limits.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class IpsecBackend final : public Backend {
   public:
    /// Outer IPv4 20 + ESP header 8 + IV 16 + padding 15 + trailer 2 + ICV 16: the worst case of
    /// every proposal, as flannel counts.
    static constexpr std::uint32_t overhead = 77;
    static constexpr std::uint32_t udp_encap_overhead = 8;  ///< RFC 3948
    static constexpr std::uint32_t reqid = 11;              ///< marks policies as ours

    explicit IpsecBackend(IpsecConfig config) : config_(std::move(config)) {}

    [[nodiscard]] std::string_view name() const override { return "ipsec"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override;
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return false; }
    [[nodiscard]] bool wants_vtep_mac() const override { return false; }

   private:
    IpsecConfig config_;
};

}  // namespace overlab
