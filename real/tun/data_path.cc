#include "real/tun/data_path.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <csignal>

#include "models/base/check.h"

namespace overlab::real {

void PathTally::add_to(UdpTunnelCounters& sum) const {
    sum.sent_packets += sent_packets.value();
    sum.sent_bytes += sent_bytes.value();
    sum.received_packets += received_packets.value();
    sum.received_bytes += received_bytes.value();
    sum.send_calls += send_calls.value();
    sum.receive_calls += receive_calls.value();
    sum.no_peer += no_peer.value();
    sum.bad_packet += bad_packet.value();
    sum.not_ipv4 += not_ipv4.value();
    sum.ttl_expired += ttl_expired.value();
    sum.too_big += too_big.value();
    sum.unknown_sender += unknown_sender.value();
    sum.send_failed += send_failed.value();
    sum.deliver_failed += deliver_failed.value();
}

StopSignal::StopSignal() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    CHECK(event_.valid());
}

void StopSignal::stop() {
    stopped_.store(true, std::memory_order_relaxed);
    CHECK(::eventfd_write(event_.get(), 1) == 0);
}

bool StopSignal::wait(const Fd& fd, short events) const {
    pollfd fds[] = {{fd.get(), events, 0}, {event_.get(), POLLIN, 0}};
    // An interrupted wait counts as ready: the caller's next call says EAGAIN.
    (void)::poll(fds, 2, -1);
    return !stopped();
}

bool StopSignal::wait_readable(const Fd& a, const Fd& b) const {
    pollfd fds[] = {{a.get(), POLLIN, 0}, {b.get(), POLLIN, 0}, {event_.get(), POLLIN, 0}};
    (void)::poll(fds, 3, -1);
    return !stopped();
}

void StopSignal::wait_for_stop() const {
    pollfd only{event_.get(), POLLIN, 0};
    while (!stopped()) (void)::poll(&only, 1, -1);
}

std::thread start_thread(std::function<void()> body) {
    sigset_t all, before;
    sigfillset(&all);
    CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    std::thread thread(std::move(body));
    CHECK(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    return thread;
}

}  // namespace overlab::real
