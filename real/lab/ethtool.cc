#include "real/lab/ethtool.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "models/base/check.h"
#include "real/base/event_loop.h"
#include "real/base/fd.h"

namespace overlab::real {

namespace {

constexpr Duration line_limit = seconds(3);

struct Answer {
    int code = 0;  ///< errno; 0: done
    std::uint32_t data = 0;
};

/// In the current namespace.
Answer ask(const Fd& socket, const std::string& interface, std::uint32_t command) {
    CHECK(interface.size() < IFNAMSIZ);
    ethtool_value value{.cmd = command, .data = 0};
    ifreq request{};
    std::memcpy(request.ifr_name, interface.data(), interface.size());
    request.ifr_data = reinterpret_cast<char*>(&value);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return {.code = errno};
    return {.data = value.data};
}

Fd control_socket() { return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

}  // namespace

Result<void> turn_offloads_off(const Netns& netns, const std::string& interface) {
    // Without checksums the kernel takes segmentation of TCP and scattered pages away as well
    // (netdev_fix_features); receive aggregation is a matter of its own.
    static constexpr std::array<std::pair<std::uint32_t, const char*>, 4> features{
        {{ETHTOOL_STXCSUM, "checksum"},
         {ETHTOOL_STSO, "tcp segmentation"},
         {ETHTOOL_SGSO, "segmentation"},
         {ETHTOOL_SGRO, "receive"}}};
    const NetnsScope scope(netns);
    const Fd socket = control_socket();
    for (const auto& [command, what] : features) {
        const Answer answer = ask(socket, interface, command);
        if (answer.code == 0) continue;
        return fail(answer.code == ENODEV ? ErrorKind::not_found : ErrorKind::unsupported,
                    fmt::format("link {}: {} offload stays on: {}", interface, what,
                                std::strerror(answer.code)),
                    answer.code);
    }
    return {};
}

Result<void> settle_line(const Netns& netns, const std::string& interface) {
    const NetnsScope scope(netns);
    const Fd socket = control_socket();
    const std::int64_t deadline = EventLoop::monotonic_ns() + line_limit.ns;
    // Newer kernels bring the line's state up to date when they are asked (linkwatch_sync_dev());
    // older ones do so when they get round to it, at most once a second.
    Answer answer = ask(socket, interface, ETHTOOL_GLINK);
    while (answer.code == 0 && answer.data == 0 && EventLoop::monotonic_ns() < deadline) {
        (void)::poll(nullptr, 0, 1);
        answer = ask(socket, interface, ETHTOOL_GLINK);
    }
    if (answer.code == 0 && answer.data != 0) return {};
    return fail(answer.code == ENODEV ? ErrorKind::not_found : ErrorKind::unavailable,
                fmt::format("link {}: {}", interface,
                            answer.code == 0 ? "no line" : std::strerror(answer.code)),
                answer.code);
}

}  // namespace overlab::real
