// DataPath: the threads between a TUN device and UDP sockets, running from construction to
// destruction; and what both kinds of it share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "real/base/fd.h"
#include "real/tun/peer_table.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::real {

/// A counter with one writer, read by others at any time.
class Tally {
   public:
    void add(std::uint64_t n) {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<std::uint64_t> value_ = 0;
};

/// One thread's share of UdpTunnelCounters; on cache lines of its own.
struct alignas(64) PathTally {
    Tally sent_packets, sent_bytes, received_packets, received_bytes;
    Tally send_calls, receive_calls;
    Tally no_peer, bad_packet, not_ipv4, ttl_expired, too_big, unknown_sender;
    Tally send_failed, deliver_failed;

    void add_to(UdpTunnelCounters& sum) const;
};

/// Ends threads that wait for descriptors.
class StopSignal {
   public:
    StopSignal();
    void stop();
    [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
    /// Until `fd` is ready for `events` (poll()). False: it is time to stop.
    [[nodiscard]] bool wait(const Fd& fd, short events) const;
    /// Until one of the two can be read.
    [[nodiscard]] bool wait_readable(const Fd& a, const Fd& b) const;
    /// Until it is time to stop; for a thread whose descriptor is broken.
    void wait_for_stop() const;

   private:
    Fd event_;
    std::atomic<bool> stopped_ = false;
};

/// Threads that take no signals: those are the main thread's.
[[nodiscard]] std::thread start_thread(std::function<void()> body);

/// One TUN queue and the socket its packets leave by.
struct TunnelQueue {
    Fd tun, socket;  ///< both do not block
};

/// What a data path works on. The references stay good for its life.
struct PathSetup {
    std::vector<TunnelQueue> queues;
    const PeerTable& peers;
    const std::atomic<std::uint32_t>& mtu;
};

class DataPath {
   public:
    virtual ~DataPath() = default;
    /// Ends the threads; what they have read but not sent is lost. More than once: nothing happens.
    virtual void stop() = 0;
    virtual void add_to(UdpTunnelCounters& sum) const = 0;
};

/// Two threads a queue: TUN to UDP and UDP to TUN. The TUN has vnet headers.
[[nodiscard]] std::unique_ptr<DataPath> start_fast_path(PathSetup setup);
/// One thread, as flannel's proxy_amd64.c: each packet costs a read and a write. One queue.
[[nodiscard]] std::unique_ptr<DataPath> start_classic_path(PathSetup setup);

}  // namespace overlab::real
