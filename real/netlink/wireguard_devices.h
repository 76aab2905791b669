// WireguardDevices: the WireGuard devices of one namespace, over generic netlink
// (linux/wireguard.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/base/netns.h"
#include "real/netlink/netlink_socket.h"
#include "real/netlink/wireguard_key_pair.h"

namespace overlab::real {

/// A device as the kernel has it.
struct WireguardDevice {
    WireguardKey public_key;
    std::uint16_t port = 0;
    /// Ascending by key. A peer without an IPv4 endpoint or without a prefix is nobody's wish and
    /// left out; of several prefixes the first counts.
    std::vector<WireguardPeerRow> peers;
};

/// Asks for a device, without key and port: RTM_NEWLINK takes none. It is refused if the name is
/// taken.
void put_wireguard(NetlinkBatch& batch, const LinkRow& row);

class WireguardDevices {
   public:
    /// Errors: unsupported (this kernel has no WireGuard), unavailable.
    [[nodiscard]] static Result<WireguardDevices> open(const Netns& netns);

    /// Gives a device its key and port; peers stay. Errors: the kernel's.
    [[nodiscard]] Result<void> configure(const LinkName& name, const WireguardKey& private_key,
                                         std::uint16_t port);
    /// One outcome a change, in order: adds, replaces or removes the peer. Each row is a
    /// WireguardPeerRow. A row whose pre-shared key is known by its fingerprint only is
    /// invalid_argument.
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange* const> changes);
    /// Errors: not_found (no such device), invalid_argument (it is none of WireGuard's).
    [[nodiscard]] Result<WireguardDevice> read(const LinkName& name);

   private:
    WireguardDevices(NetlinkSocket socket, std::uint16_t family)
        : socket_(std::move(socket)), family_(family) {}

    [[nodiscard]] nlmsghdr* add_message(NetlinkBatch& batch, std::uint8_t command,
                                        std::uint16_t flags, const LinkName& name) const;

    NetlinkSocket socket_;
    std::uint16_t family_;
};

/// What a host needs to run a WireGuard device.
struct WireguardSide {
    WireguardDevices devices;
    WireguardKeyPair keys;

    /// The port of the device as a row says it: 0, which is nobody's wish, unless it has our key.
    [[nodiscard]] std::uint16_t shown_port(const WireguardDevice& device) const {
        return device.public_key == keys.public_key ? device.port : std::uint16_t{0};
    }
};

}  // namespace overlab::real
