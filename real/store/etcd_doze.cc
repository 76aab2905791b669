#include "real/store/etcd_doze.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "models/base/check.h"
#include "real/base/fd.h"

namespace overlab::real {
namespace {

/// Long enough for an exchange of several requests, and for its acknowledgements.
constexpr Duration awake_after_data = seconds(1);
/// Its timers that are overdue run as soon as it is continued; the rest takes no virtual time.
constexpr Duration awake_for_a_look = milliseconds(5);

/// For a socket that sees packets from the IPv4 header on: accepts TCP segments to `port` that
/// carry data. In classic BPF, whose jumps skip so many instructions if true and if false.
std::array<sock_filter, 15> data_for(std::uint16_t port) {
    constexpr std::uint32_t scratch = 0;
    return {{BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),  // protocol
             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 12),
             BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // X: the IPv4 header's length
             BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),   // destination port
             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 9),
             BPF_STMT(BPF_LD | BPF_B | BPF_IND, 12),  // TCP header's length, in words << 4
             BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3c),
             BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ST, scratch),
             BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),  // total length
             BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, scratch),
             BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1),  // more than both headers?
             BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 0)}};
}

std::unexpected<Error> no_socket() {
    const int code = errno;
    return fail(ErrorKind::unavailable,
                fmt::format("etcd: packets for it cannot be seen: {}", std::strerror(code)), code);
}

Result<Fd> open_socket(const Netns& netns, std::uint16_t port) {
    const NetnsScope scope(netns);
    // Bound to a protocol only after the filter is there, so that nothing else gets in.
    Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return no_socket();
    auto filter = data_for(port);
    const sock_fprog program{.len = filter.size(), .filter = filter.data()};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        return no_socket();
    // Not ETH_P_ALL: that one sees what leaves as well.
    sockaddr_ll all{};
    all.sll_family = AF_PACKET;
    all.sll_protocol = htons(ETH_P_IP);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0)
        return no_socket();
    return socket;
}

/// False: none came within `limit`.
bool await_data(int socket, Duration limit) {
    pollfd ready{.fd = socket, .events = POLLIN, .revents = 0};
    const int limit_ms = static_cast<int>(limit.ns / 1'000'000);
    if (::poll(&ready, 1, limit_ms) <= 0) return false;
    char byte = 0;
    while (::recv(socket, &byte, sizeof byte, 0) >= 0) {
    }
    return true;
}

/// etcd asks that the kernel probe its clients every 30 s, which goes on while it is stopped and
/// costs more than all the rest. Clients probe themselves, and as often as they like. Errors are
/// ignored: then probes cost what they cost.
void stop_probes(pid_t etcd) {
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, etcd, 0)));
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", etcd), ignored)) {
        const int number = std::atoi(entry.path().filename().c_str());
        // Ours and its descriptor are of one socket, and so is the setting.
        const Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
        const int off = 0;
        (void)::setsockopt(copy.get(), SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off);
    }
}

/// For ever: we end with our parent.
int doze(pid_t etcd, int socket, Duration look_every) {
    bool data = true;
    for (;;) {
        if (data) stop_probes(etcd);  // Whoever is new has sent something.
        // Data that comes before the signal is found in the socket right after it.
        (void)::kill(etcd, SIGSTOP);  // A failure (it has ended) is noticed by whoever asks it.
        data = await_data(socket, look_every);
        (void)::kill(etcd, SIGCONT);
        Duration awake = data ? awake_after_data : awake_for_a_look;
        while (await_data(socket, awake)) awake = awake_after_data;
    }
}

}  // namespace

Result<EtcdDoze> EtcdDoze::start(const Process& etcd, const Netns& netns, std::uint16_t port,
                                 Duration look_every) {
    CHECK(look_every >= milliseconds(1));
    OVERLAB_TRY(const Fd socket, open_socket(netns, port));
    OVERLAB_TRY(Process process,
                Process::fork([&] { return doze(etcd.pid(), socket.get(), look_every); }));
    return EtcdDoze(std::move(process));
}

}  // namespace overlab::real
