#include "real/traffic/prober_socket.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>

#include "real/traffic/worker.h"

namespace overlab::real {
namespace {

constexpr std::int64_t busy_tail_ns = 30'000;
constexpr std::int64_t first_back_off_ns = 50'000'000, longest_back_off_ns = 500'000'000;
/// A SYN that got no answer so long is given up for a new one: the kernel would wait a second and
/// more before it repeats one that went into a hole.
constexpr std::int64_t connect_limit_ns = 2'000'000'000;
constexpr int buffer_bytes = 4 << 20;
constexpr std::size_t block_bytes = 128 << 10;

void set_option(int fd, int level, int option, int value) {
    // A tuning that the kernel refuses costs speed, not truth.
    (void)::setsockopt(fd, level, option, &value, sizeof value);
}

Fd bound_socket(int type, std::uint16_t port) {
    Fd fd(::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fd;
    if (type == SOCK_STREAM) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    const sockaddr_in any = socket_address({}, port);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return Fd();
    if (type == SOCK_STREAM && ::listen(fd.get(), 256) != 0) return Fd();
    return fd;
}

Fd bind_patiently(int type, const ProgramTask& task, int control, FlowTally& tally) {
    const RunClock clock(task);
    std::int64_t back_off_ns = first_back_off_ns;
    for (bool told = false;;) {
        Fd fd = bound_socket(type, task.port);
        if (fd.valid()) return fd;
        if (!told) {
            tally.remarks.push_back(
                fmt::format("traffic {}: port {}: {}; it was tried again until it was free",
                            task.name, task.port, std::strerror(errno)));
        }
        told = true;
        if (clock.now_ns() >= task.span.stop_ns || readable(control)) return fd;
        pollfd wake{.fd = control, .events = POLLIN, .revents = 0};
        clock.wait({&wake, 1}, clock.now_ns() + back_off_ns);
        back_off_ns = std::min(2 * back_off_ns, longest_back_off_ns);
    }
}

}  // namespace

void RunClock::wait(std::span<pollfd> fds, std::int64_t until_ns) const {
    const auto poll_for = [&](std::int64_t ns) {
        const timespec span{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
        return ::ppoll(fds.data(), fds.size(), &span, nullptr) != 0;
    };
    const std::int64_t asleep_ns = until_ns - now_ns() - busy_tail_ns;
    if (asleep_ns > 0 && poll_for(asleep_ns)) return;
    do {
        if (poll_for(0)) return;
    } while (now_ns() < until_ns);
}

void prepare_to_send() { ::prctl(PR_SET_TIMERSLACK, 1); }

void prepare_to_measure() {
    prepare_to_send();
    // Without the right to it we stay where we are.
    (void)::setpriority(PRIO_PROCESS, 0, -15);
}

sockaddr_in socket_address(Ipv4Address address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    result.sin_addr.s_addr = htonl(address.bits);
    return result;
}

Fd bind_datagrams(const ProgramTask& task, int control, FlowTally& tally) {
    Fd fd = bind_patiently(SOCK_DGRAM, task, control, tally);
    if (!fd.valid()) return fd;
    for (const auto& [forced, plain] :
         {std::pair{SO_RCVBUFFORCE, SO_RCVBUF}, {SO_SNDBUFFORCE, SO_SNDBUF}}) {
        set_option(fd.get(), SOL_SOCKET, plain, buffer_bytes);
        set_option(fd.get(), SOL_SOCKET, forced, buffer_bytes);
    }
    return fd;
}

Fd listen_streams(const ProgramTask& task, int control, FlowTally& tally) {
    return bind_patiently(SOCK_STREAM, task, control, tally);
}

bool StreamConnection::advance() {
    if (connected_) return false;
    const std::int64_t now_ns = clock_.now_ns();
    if (!socket_.valid()) {
        if (now_ns < retry_at_ns_) return false;
        begin();
    }
    if (!socket_.valid()) return false;
    pollfd state{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&state, 1, 0) <= 0) {
        if (now_ns >= give_up_at_ns_) lost();
        return false;
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        lost();
        return false;
    }
    connected_ = true;
    back_off_ns_ = 0;
    return true;
}

void StreamConnection::begin() {
    socket_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.valid()) return lost();
    set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    // The one that the simulator models; a kernel without it keeps its own.
    (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    give_up_at_ns_ = clock_.now_ns() + connect_limit_ns;
    const sockaddr_in to = socket_address(task_->to, task_->port);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS) {
        lost();
    }
}

std::int64_t StreamConnection::next_try_ns() const {
    if (connected_) return std::numeric_limits<std::int64_t>::max();
    return socket_.valid() ? give_up_at_ns_ : retry_at_ns_;
}

void StreamConnection::lost() {
    close();
    back_off_ns_ = std::clamp(2 * back_off_ns_, first_back_off_ns, longest_back_off_ns);
    retry_at_ns_ = clock_.now_ns() + back_off_ns_;
}

void StreamConnection::close() {
    read_counters();
    socket_.close();
    connected_ = false;
}

void StreamConnection::read_counters() {
    if (!connected_) return;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
    retransmits_ += info.tcpi_total_retrans;
    mss_bytes_ = info.tcpi_snd_mss;
}

void StreamConnection::report(FlowTally& tally) const {
    tally.retransmits += retransmits_;
    if (mss_bytes_ != 0) tally.mss_bytes = mss_bytes_;
}

std::optional<std::uint64_t> write_zeros(int fd, std::uint64_t count) {
    static const std::array<char, block_bytes> zeros{};
    std::uint64_t written = 0;
    while (written < count) {
        const auto want = static_cast<std::size_t>(std::min(count - written, block_bytes));
        const ssize_t went = ::send(fd, zeros.data(), want, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (went < 0 && errno == EINTR) continue;
        if (went < 0 && errno == EAGAIN) break;
        if (went < 0) return std::nullopt;
        written += static_cast<std::uint64_t>(went);
    }
    return written;
}

Swallowed swallow(int fd) {
    static std::array<char, block_bytes> waste;
    constexpr std::uint64_t enough = 4 << 20;  // then others get their turn
    Swallowed result;
    while (result.bytes < enough) {
        const ssize_t count = ::recv(fd, waste.data(), waste.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) break;
        if (count <= 0) {
            result.ended = true;
            break;
        }
        result.bytes += static_cast<std::uint64_t>(count);
    }
    return result;
}

}  // namespace overlab::real
