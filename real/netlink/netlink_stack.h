// NetlinkStack: the HostStack of one Linux network namespace.
//
// Ours is what carries our mark: links whose alias is `overlab`, addresses, neighbours and FDB rows
// on those links, WireGuard peers of those links, routes of our protocol number, policies of our
// reqid, what is in the packet filter's table `ip overlab`. Nothing else is changed or shown, and
// nothing of somebody else's is replaced.
//
// Each of our routes has a metric of its own, made from its destination: the kernel hashes next
// hops without the gateway (fib_info_hashfn_1), so equal metrics would make thousands of on-link
// gateways on one device quadratic.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "models/ports/host_stack.h"
#include "real/base/netns.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::real {

struct NetlinkStackOptions {
    /// rtm_protocol of our routes; 0..3 and what /etc/iproute2/rt_protos names are other people's.
    std::uint8_t route_protocol = 0x4f;
    /// Where the private key of the host's WireGuard device is kept (mode 0600); made if absent.
    /// Empty: no WireGuard here. Keep it from run to run, and the host stays the same peer.
    std::filesystem::path wireguard_key_file{};
};

class NetlinkStack final : public HostStack {
   public:
    /// `facts.external_link` must exist in `netns`. `tunnel` (the udp backend's data plane; may be
    /// null: tun rows are then unsupported) must outlive the stack. Errors: not_found (no such
    /// link, or without the address in `facts`), unsupported, unavailable.
    [[nodiscard]] static Result<std::unique_ptr<NetlinkStack>> open(
        const Netns& netns, HostFacts facts, UdpTunnel* tunnel, NetlinkStackOptions options = {});
    ~NetlinkStack() override;

    /// As given to open(), and the WireGuard device's public key where there is WireGuard.
    [[nodiscard]] HostFacts facts() const override;
    [[nodiscard]] Result<ForwardingState> dump() override;
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override;

    /// The kernel's SAs, whoever made them: for walks and reports.
    [[nodiscard]] Result<std::vector<SaRow>> security_associations();

   private:
    class Impl;
    explicit NetlinkStack(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
