// What the programs of prober.h share: sockets, waiting to the microsecond, messages. Private to
// real/traffic/.
#pragma once

#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "models/net/bytes.h"
#include "real/base/event_loop.h"
#include "real/base/fd.h"
#include "real/traffic/prober.h"

namespace overlab::real {

/// The run's instants in this process.
class RunClock {
   public:
    explicit RunClock(const ProgramTask& task) : epoch_ns_(task.epoch_ns) {}
    [[nodiscard]] std::int64_t now_ns() const { return EventLoop::monotonic_ns() - epoch_ns_; }
    /// Until a descriptor is ready or `until_ns`, whichever comes first. The last microseconds are
    /// spent polling: a sleeping process wakes late by more than a fast path's round trip takes.
    void wait(std::span<pollfd> fds, std::int64_t until_ns) const;

   private:
    std::int64_t epoch_ns_;
};

/// Once at a program's begin: timers to the nanosecond.
void prepare_to_send();
/// The same, and before other programs where that is allowed, so that a busy machine does not show
/// up as a slow network. Only for programs that need little of it: what makes bulk traffic would
/// starve the data plane that it measures.
void prepare_to_measure();

[[nodiscard]] sockaddr_in socket_address(Ipv4Address address, std::uint16_t port);

/// A UDP socket on this port of all addresses; with large buffers. A port that is in use is tried
/// again until the span is over or `control` turns readable: then it is not valid.
[[nodiscard]] Fd bind_datagrams(const ProgramTask& task, int control, FlowTally& tally);
/// A listening socket, as bind_datagrams().
[[nodiscard]] Fd listen_streams(const ProgramTask& task, int control, FlowTally& tally);

/// A client's connection, made again after 50, 100, ... 500 ms as long as it fails. Non-blocking,
/// TCP_NODELAY.
class StreamConnection {
   public:
    explicit StreamConnection(const ProgramTask& task) : task_(&task), clock_(task) {}

    [[nodiscard]] bool connected() const { return connected_; }
    [[nodiscard]] int fd() const { return socket_.get(); }
    /// Begins to connect if that is due; true if it has just become connected.
    bool advance();
    /// What to poll for: writable while connecting.
    [[nodiscard]] bool connecting() const { return socket_.valid() && !connected_; }
    /// When advance() has something to do without an event.
    [[nodiscard]] std::int64_t next_try_ns() const;
    /// It failed; another one follows.
    void lost();
    /// Keeps the counters of what it was and closes it.
    void close();
    /// Adds retransmissions and the segment size of all connections so far.
    void report(FlowTally& tally) const;

   private:
    void begin();
    void read_counters();

    const ProgramTask* task_;
    RunClock clock_;
    Fd socket_;
    bool connected_ = false;
    std::int64_t retry_at_ns_ = 0, give_up_at_ns_ = 0, back_off_ns_ = 0;
    std::uint64_t retransmits_ = 0;
    std::uint32_t mss_bytes_ = 0;
};

/// Writes up to `count` bytes of zeros; how many went, or empty if the connection is lost.
[[nodiscard]] std::optional<std::uint64_t> write_zeros(int fd, std::uint64_t count);
/// Reads and forgets what is there, at most a few MiB; `ended`: the other side has closed.
struct Swallowed {
    std::uint64_t bytes = 0;
    bool ended = false;
};
[[nodiscard]] Swallowed swallow(int fd);

/// A message's first bytes.
struct MessageHead {
    std::uint64_t number = 0;
    std::int64_t sent_ns = 0;

    void store(std::span<std::uint8_t> message) const {
        store_be64(message.data(), number);
        store_be64(message.data() + 8, static_cast<std::uint64_t>(sent_ns));
    }
    /// `message` has at least 16 bytes.
    [[nodiscard]] static MessageHead load(std::span<const std::uint8_t> message) {
        return {load_be64(message.data()),
                static_cast<std::int64_t>(load_be64(message.data() + 8))};
    }
};

}  // namespace overlab::real
