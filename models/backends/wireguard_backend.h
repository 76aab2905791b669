// wireguard: one device flannel-wg and one route for the whole network; which peer a packet goes
// to, and who may send from where, is said by the peers' allowed prefixes. The private key belongs
// to the host's stack; here only its public half is known. docs/backends/wireguard.md has the model
// and its limits.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class WireguardBackend final : public Backend {
   public:
    /// Outer IPv6 40 + UDP 8 + WireGuard header 16 + tag 16, as flannel counts for IPv4 too.
    static constexpr std::uint32_t overhead = 80;

    /// CHECK: config.psk is empty or a key.
    WireguardBackend(const WireguardConfig& config, Ipv4Prefix network);

    [[nodiscard]] std::string_view name() const override { return "wireguard"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override;
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return false; }
    [[nodiscard]] bool wants_vtep_mac() const override { return false; }
    /// The public key: a device has one peer a key.
    [[nodiscard]] std::optional<std::uint64_t> claimed_identity(const Lease& peer) const override;
    [[nodiscard]] std::string identity_text(const Lease& peer) const override;

   private:
    std::uint16_t port_;
    std::uint32_t mtu_;
    std::uint16_t keepalive_s_;
    WireguardPsk psk_;
    Ipv4Prefix network_;
};

}  // namespace overlab
