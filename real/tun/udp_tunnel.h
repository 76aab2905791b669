// UdpTunnel: the udp backend's data plane: a TUN device and a UDP socket in one namespace, and
// threads between them. On the wire it is flannel's: each datagram is one bare IPv4 packet.
//
// fast: vnet headers and TCP/UDP segmentation offload on the TUN side, UDP GSO and GRO on the
// socket's, batched system calls, one pair of threads a queue. classic: one packet a system call,
// one thread, as flannel's own proxy; there to be measured against.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/base/netns.h"

namespace overlab::real {

struct UdpTunnelOptions {
    enum class Mode : std::uint8_t { fast, classic };
    Mode mode = Mode::fast;
    unsigned queues = 1;  ///< fast: TUN queues and sockets
};

struct UdpTunnelCounters {
    std::uint64_t sent_packets = 0, sent_bytes = 0;  ///< inner packets after segmentation
    std::uint64_t received_packets = 0, received_bytes = 0;
    std::uint64_t send_calls = 0, receive_calls = 0;  ///< system calls on the socket
    std::uint64_t no_peer = 0, bad_packet = 0, ttl_expired = 0, send_failed = 0;
};

class UdpTunnel {
   public:
    /// Devices and sockets are made in `netns`.
    [[nodiscard]] static Result<std::unique_ptr<UdpTunnel>> create(const Netns& netns,
                                                                   UdpTunnelOptions options = {});
    virtual ~UdpTunnel() = default;

    /// Makes the TUN device and binds the socket to row.local:row.port; row.mtu bounds packets.
    /// MTU, alias and up-state of the device are the caller's. A row that differs from what is
    /// there replaces it (new device, peers kept). Errors: unsupported (no /dev/net/tun; the
    /// message has the remedy), already_exists (the name or the UDP port is somebody else's, said
    /// which), unavailable.
    [[nodiscard]] virtual Result<void> install_link(const LinkRow& row) = 0;
    [[nodiscard]] virtual Result<void> withdraw_link(
        const LinkName& name) = 0;  ///< absent: success
    /// Takes effect for the next packet, without a pause. Errors: not_found (no such link).
    [[nodiscard]] virtual Result<void> install_peer(const TunnelPeerRow& row) = 0;
    [[nodiscard]] virtual Result<void> withdraw_peer(const TunnelPeerRow& row) = 0;
    /// Its link and peers, in key order.
    [[nodiscard]] virtual std::vector<Row> rows() const = 0;
    [[nodiscard]] virtual UdpTunnelCounters counters() const = 0;
};

}  // namespace overlab::real
