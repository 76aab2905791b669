#include "real/tun/tunnel_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "models/net/bytes.h"

namespace overlab::real {
namespace {

/// Newer than the kernel headers of Debian 12. The kernel takes both or none (set_offload()).
constexpr unsigned tun_f_uso4 = 0x20, tun_f_uso6 = 0x40;
/// Holds what a peer sends while the receiving thread is not scheduled: 5 ms at 12 Gbit/s.
constexpr int socket_buffer_bytes = 8 << 20;

std::string endpoint_text(const LinkRow& row) {
    return fmt::format("{}:{}", row.local.to_string(), row.port);
}

std::unexpected<Error> link_failed(const LinkRow& row, ErrorKind kind, std::string_view why,
                                   int code) {
    return fail(kind, fmt::format("link {}: {}", row.name, why), code);
}

std::unexpected<Error> no_tun_device(const LinkRow& row, const std::string& path, int code) {
    if (code == EACCES || code == EPERM) {
        return link_failed(
            row, ErrorKind::unsupported,
            fmt::format("{}: no permission; run as root, or allow it (chmod 0666 {})", path, path),
            code);
    }
    if (code == ENOENT || code == ENODEV || code == ENXIO) {
        return link_failed(
            row, ErrorKind::unsupported,
            fmt::format("{} is missing, which the udp backend needs; load the module (modprobe "
                        "tun), in a container start it with --device /dev/net/tun, or use another "
                        "backend",
                        path),
            code);
    }
    return link_failed(row, ErrorKind::unavailable,
                       fmt::format("{}: {}", path, std::strerror(code)), code);
}

std::unexpected<Error> no_interface(const LinkRow& row, int code) {
    if (code == EPERM) {
        return link_failed(row, ErrorKind::unsupported,
                           "this process may not make TUN devices here; it needs CAP_NET_ADMIN in "
                           "the network namespace (run as root)",
                           code);
    }
    if (code == EBUSY || code == EINVAL || code == EEXIST) {
        return link_failed(row, ErrorKind::already_exists,
                           fmt::format("there is an interface of this name that is not ours; "
                                       "remove it (ip link delete {}) or stop what made it",
                                       row.name),
                           code);
    }
    return link_failed(row, ErrorKind::unavailable,
                       fmt::format("TUNSETIFF: {}", std::strerror(code)), code);
}

struct TunRequest {
    bool first = true;  ///< makes the device; others add a queue to it
    short flags = 0;
};

Result<Fd> open_tun(const LinkRow& row, const std::string& path, TunRequest wanted) {
    Fd tun(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!tun.valid()) return no_tun_device(row, path, errno);
    ifreq request{};
    row.name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | wanted.flags);
    // Somebody else's persistent TUN of this name must not be taken over.
    if (wanted.first) request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_TUN_EXCL);
    if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) {
        const int code = errno;
        // A file that is no TUN device has no such call.
        return code == ENOTTY ? no_tun_device(row, path, ENODEV) : no_interface(row, code);
    }
    return tun;
}

/// Super-packets for IPv4 TCP and, where the kernel has it (Linux 6.2), UDP.
Result<void> enable_offloads(const LinkRow& row, const Fd& tun) {
    constexpr unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN;
    for (const unsigned offloads : {tcp | tun_f_uso4 | tun_f_uso6, tcp}) {
        if (::ioctl(tun.get(), TUNSETOFFLOAD, offloads) == 0) return {};
    }
    return link_failed(row, ErrorKind::unsupported,
                       "this kernel's TUN has no segmentation offload; use --udp-mode classic",
                       errno);
}

std::unexpected<Error> not_bound(const LinkRow& row, int code) {
    const std::string where = endpoint_text(row);
    if (code == EADDRINUSE) {
        return link_failed(row, ErrorKind::already_exists,
                           fmt::format("UDP port {} is in use by another socket; stop its owner "
                                       "(ss -uapn 'sport = :{}' names it) or set another Port in "
                                       "the network config",
                                       where, row.port),
                           code);
    }
    if (code == EADDRNOTAVAIL) {
        return link_failed(row, ErrorKind::unavailable,
                           fmt::format("UDP port {}: no interface has this address (yet)", where),
                           code);
    }
    return link_failed(row, ErrorKind::unavailable,
                       fmt::format("UDP port {}: {}", where, std::strerror(code)), code);
}

void set_option(const Fd& socket, int level, int option, int value) {
    // Best effort: without it the tunnel works, with more loss or slower.
    (void)::setsockopt(socket.get(), level, option, &value, sizeof value);
}

void enlarge_buffers(const Fd& socket) {
    // First within the limit that everybody has, then beyond it where we may.
    set_option(socket, SOL_SOCKET, SO_RCVBUF, socket_buffer_bytes);
    set_option(socket, SOL_SOCKET, SO_SNDBUF, socket_buffer_bytes);
    set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, socket_buffer_bytes);
    set_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, socket_buffer_bytes);
}

Result<Fd> bind_socket(const LinkRow& row, bool shared_port) {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return not_bound(row, errno);
    enlarge_buffers(socket);
    if (shared_port) set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1);
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = detail::big_endian(row.port),
                              .sin_addr = {detail::big_endian(row.local.bits)},
                              .sin_zero = {}};
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return not_bound(row, errno);
    }
    return socket;
}

}  // namespace

Result<std::vector<TunnelQueue>> open_tunnel_queues(const LinkRow& row,
                                                    const UdpTunnelOptions& options) {
    const bool fast = options.mode == UdpTunnelOptions::Mode::fast;
    const bool several = options.queues > 1;
    const int flags = (fast ? IFF_VNET_HDR : 0) | (several ? IFF_MULTI_QUEUE : 0);
    std::vector<TunnelQueue> queues;
    for (unsigned i = 0; i < options.queues; ++i) {
        TunnelQueue queue;
        // The first socket does not share the port, so that anybody else's on it is an error; only
        // then does it let our others in.
        OVERLAB_TRY(queue.socket, bind_socket(row, i > 0));
        if (i == 0 && several) set_option(queue.socket, SOL_SOCKET, SO_REUSEPORT, 1);
        if (fast) set_option(queue.socket, SOL_UDP, UDP_GRO, 1);
        OVERLAB_TRY(queue.tun, open_tun(row, options.device_path,
                                        {.first = i == 0, .flags = static_cast<short>(flags)}));
        queues.push_back(std::move(queue));
    }
    if (fast) {
        const Result<void> enabled = enable_offloads(row, queues.front().tun);
        if (!enabled) return std::unexpected(enabled.error());
    }
    return queues;
}

}  // namespace overlab::real
