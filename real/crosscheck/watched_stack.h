// WatchedStack: a host's stack, and what must be known of its WireGuard device between probes.
//
// Two ends of a WireGuard tunnel share a session. A peer that is taken away and put back has lost
// it, the other end has not, and for some seconds what it sends is dropped: state that depends on
// which packets were sent before, which rows do not tell; and a packet that waits for a session may
// go out much later. So between probes all ends can be made to forget, and the next packet begins
// with a handshake.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/ports/host_stack.h"
#include "real/base/netns.h"
#include "real/netlink/netlink_stack.h"
#include "real/netlink/wireguard_devices.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::real {

class WatchedStack final : public HostStack {
   public:
    /// `key_file`: the WireGuard key's; it must be there. Errors: those of NetlinkStack::open.
    [[nodiscard]] static Result<std::unique_ptr<WatchedStack>> open(
        const Netns& netns, HostFacts facts, const std::filesystem::path& key_file);

    [[nodiscard]] HostFacts facts() const override { return stack_->facts(); }
    [[nodiscard]] Result<ForwardingState> dump() override { return stack_->dump(); }
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override {
        return stack_->on_link(address);
    }

    [[nodiscard]] bool has_wireguard_device() const { return device_.has_value(); }
    /// Whether devices or peers were changed since forget_sessions().
    [[nodiscard]] bool sessions_are_stale() const { return stale_; }
    /// Takes every peer away, for put_peers_back().
    [[nodiscard]] Result<void> forget_sessions();
    [[nodiscard]] bool has_forgotten() const { return !forgotten_.empty(); }
    [[nodiscard]] Result<void> put_peers_back();

   private:
    explicit WatchedStack(std::unique_ptr<UdpTunnel> tunnel) : tunnel_(std::move(tunnel)) {}
    void note(const RowChange& change);
    [[nodiscard]] Result<void> change_peers(RowChange::Action action,
                                            const std::vector<WireguardPeerRow>& peers);

    std::unique_ptr<UdpTunnel> tunnel_;
    std::unique_ptr<NetlinkStack> stack_;
    std::optional<WireguardDevices> wireguard_;  ///< empty: this kernel has none
    std::optional<LinkRow> device_;
    std::vector<WireguardPeerRow> forgotten_;
    bool stale_ = false;
};

}  // namespace overlab::real
