// UdpTunnel: the udp backend's data plane: a TUN device and a UDP socket in one namespace, and
// threads between them. On the wire it is flannel's: each datagram is one bare IPv4 packet.
//
// fast: vnet headers and TCP/UDP segmentation offload on the TUN side, UDP GSO and GRO on the
// socket's, batched system calls, one pair of threads a queue. classic: one packet a system call,
// one thread, as flannel's own proxy; there to be measured against. Both modes interoperate with
// each other and with flannel.
//
// Both take one from a packet's TTL when it enters and when it leaves, and drop it silently at 0.
// A packet that nobody has the destination of is answered with ICMP net unreachable. There is no
// path MTU handling here: the kernel does it at the TUN device, whose MTU leaves room for the outer
// headers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/base/netns.h"

namespace overlab::real {

struct UdpTunnelOptions {
    enum class Mode : std::uint8_t { fast, classic };
    Mode mode = Mode::fast;
    unsigned queues = 1;  ///< 1..max_queues TUN queues and sockets; classic: 1
    std::string device_path = "/dev/net/tun";

    static constexpr unsigned max_queues = 16;
};

struct UdpTunnelCounters {
    std::uint64_t sent_packets = 0, sent_bytes = 0;  ///< inner packets after segmentation
    std::uint64_t received_packets = 0, received_bytes = 0;
    std::uint64_t send_calls = 0, receive_calls = 0;  ///< system calls on the socket
    // Dropped on the way out: nobody has the destination, IPv6, longer than the MTU, refused by the
    // socket.
    std::uint64_t no_peer = 0, not_ipv4 = 0, too_big = 0, send_failed = 0;
    // Dropped either way.
    std::uint64_t bad_packet = 0, ttl_expired = 0;
    std::uint64_t deliver_failed = 0;  ///< refused by the TUN device: it is down
    std::uint64_t unknown_sender = 0;  ///< from no peer's endpoint; delivered, as flannel does

    friend bool operator==(const UdpTunnelCounters&, const UdpTunnelCounters&) = default;
};

/// Its functions are for one thread.
class UdpTunnel {
   public:
    /// Devices and sockets are made in `netns`. Errors: invalid_argument (queues).
    [[nodiscard]] static Result<std::unique_ptr<UdpTunnel>> create(const Netns& netns,
                                                                   UdpTunnelOptions options = {});
    virtual ~UdpTunnel() = default;

    /// Makes the TUN device and binds the socket to row.local:row.port; row.mtu bounds packets on
    /// their way out. MTU, alias and up-state of the device are the caller's. A row that differs
    /// from what is there replaces it, peers kept: another mtu just takes effect, another address
    /// or port makes a new device, and if that fails the link is gone with its peers. Errors:
    /// unsupported (no /dev/net/tun; the message has the remedy), already_exists (the name or the
    /// UDP port is somebody else's, said which), invalid_argument (not a tun row), unavailable.
    [[nodiscard]] virtual Result<void> install_link(const LinkRow& row) = 0;
    [[nodiscard]] virtual Result<void> withdraw_link(
        const LinkName& name) = 0;  ///< absent: success
    /// Takes effect for the next packet, without a pause. Errors: not_found (no such link).
    [[nodiscard]] virtual Result<void> install_peer(const TunnelPeerRow& row) = 0;
    /// Absent, or no such link: success.
    [[nodiscard]] virtual Result<void> withdraw_peer(const TunnelPeerRow& row) = 0;
    /// Its link and peers, in key order.
    [[nodiscard]] virtual std::vector<Row> rows() const = 0;
    /// Since create(), replaced and withdrawn links included.
    [[nodiscard]] virtual UdpTunnelCounters counters() const = 0;
};

}  // namespace overlab::real
