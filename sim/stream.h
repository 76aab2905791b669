// Streams: reliable, ordered messages between programs on simulated hosts, as TCP carries them. The
// store and its clients talk through them.
//
// A message is a size and a pointer: its bytes travel as TCP segments with real headers, its cargo
// rides along and is handed over when the last byte has arrived in order. Modelled: three-way
// handshake, byte ranges with selective acknowledgements, delayed and combined acknowledgements,
// RTT-based retransmission time with back-off (RFC 6298, 200 ms at least, as Linux), slow start and
// congestion avoidance, large messages as one aggregated Frame (segmentation offload), keepalive
// probes on idle streams, smaller segments when large ones do not come through (RFC 4821, as Linux
// with tcp_mtu_probing=1), FIN and RST.
//
// All streams of a host share one budget of bytes handed to the host and not yet on the wire; those
// that find it used up take turns as it drains. TCP small queues and fair queueing do the same, and
// without it thousands of streams would overflow their own host's link.
//
// A stream with something unacknowledged and no progress for StreamOptions::patience is broken: the
// handler hears of it and the peer is sent a RST. Reconnecting is the client's business.
//
// Left out: reordering tolerance (a selective acknowledgement makes everything below it count as
// lost: simulated paths keep the order of a flow), half-open streams, TIME_WAIT (a client port is
// taken again only after 16,384 others), tail loss probes, zero windows (readers read at once).
//
// Invariants: cargo is delivered exactly once and in the order sent, or the stream ends. An idle
// stream costs about 320 bytes at each end and one timer.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/base/time.h"
#include "models/ports/runtime.h"
#include "sim/host_socket.h"

namespace overlab::sim {

/// Names a stream of one StreamHost, for ever: values are not used again. 0 names none.
struct StreamId {
    std::uint64_t value = 0;
    friend auto operator<=>(StreamId, StreamId) = default;
};

struct StreamMessage {
    std::uint32_t bytes = 0;  ///< on the stream, >= 1
    std::shared_ptr<const void> cargo;
};

enum class StreamEnd : std::uint8_t {
    closed,     ///< the peer closed it in order
    reset,      ///< the peer reset or refused it
    timed_out,  ///< no progress for too long
};

/// What a program hears of its streams. It may send, close, reset and connect inside, but must not
/// destroy the StreamHost.
class StreamHandler {
   public:
    virtual void stream_opened(StreamId stream) = 0;
    virtual void stream_message(StreamId stream, const StreamMessage& message) = 0;
    /// Unacknowledged bytes fell to StreamOptions::low_water or below.
    virtual void stream_drained(StreamId stream) = 0;
    /// The last thing heard of `stream`. Not called for streams closed or reset on this side, nor
    /// for incoming ones that never opened.
    virtual void stream_ended(StreamId stream, StreamEnd why) = 0;

   protected:
    ~StreamHandler() = default;
};

struct StreamOptions {
    std::uint32_t window_bytes = 1U << 20;  ///< 64 KB..1 MB: receive window, so the most in flight
    std::uint32_t low_water = 64U << 10;
    Duration patience = seconds(5);
    /// Silence before an idle stream is probed by the side that connected, five times within
    /// `patience`; the other side probes `patience` later. 0: never.
    Duration keepalive = seconds(30);
    std::uint16_t first_port = 49152;  ///< of the client ports, up to 65535 (RFC 6335 §6)
};

struct StreamCounters {
    std::uint64_t frames_sent = 0, frames_received = 0;
    std::uint64_t bytes_sent = 0, bytes_retransmitted = 0;  ///< stream bytes, without headers
    std::uint64_t messages_sent = 0, messages_received = 0;
};

class StreamConnection;
struct TcpSegment;

/// The streams of one program on one host.
class StreamHost {
   public:
    /// References must outlive it.
    StreamHost(HostSockets& sockets, Runtime& runtime, StreamHandler& handler,
               StreamOptions options);
    ~StreamHost();  ///< resets every stream and frees every port
    StreamHost(const StreamHost&) = delete;
    StreamHost& operator=(const StreamHost&) = delete;

    /// Accepts streams on `port` (CHECKed to be free).
    void listen(std::uint16_t port);
    /// Begins a handshake; stream_opened or stream_ended follows.
    StreamId connect(Endpoint to);

    /// Queues a message, also while the handshake runs. False if the stream has ended.
    bool send(StreamId stream, StreamMessage message);
    /// Bytes queued or in flight; 0 if the stream has ended.
    [[nodiscard]] std::uint64_t unacknowledged(StreamId stream) const;
    /// Ends in order, once everything queued has arrived. Nothing more is heard of it.
    void close(StreamId stream);
    /// Ends at once. Nothing more is heard of it.
    void reset(StreamId stream);

    [[nodiscard]] const StreamCounters& counters() const { return counters_; }
    [[nodiscard]] std::size_t size() const { return live_; }

   private:
    friend class StreamConnection;

    struct Key {
        Endpoint remote;
        std::uint16_t local_port;
        bool active;  ///< we connected: the local port is this stream's own
        [[nodiscard]] std::uint64_t packed() const;
    };

    void bind(std::uint16_t port);
    std::uint16_t take_port();
    void on_frame(FramePtr frame, Endpoint from, std::uint16_t local_port);
    StreamConnection& open(Key key);
    [[nodiscard]] StreamConnection* find(StreamId stream) const;
    [[nodiscard]] StreamConnection* find(Key key) const;
    /// Forgets it. The object and its port go a moment later: its own functions may be running.
    void forget(StreamConnection& connection);
    void sweep();
    void refuse(const TcpSegment& segment, const Frame& frame, Key key);
    void transmit(FramePtr frame, Key key);
    /// True if the host has enough to send for now; `connection` gets its turn later.
    bool throttle(StreamConnection& connection);
    void resume();
    [[nodiscard]] std::uint32_t timestamp() const;

    HostSockets& sockets_;
    Runtime& runtime_;
    StreamHandler& handler_;
    StreamOptions options_;
    std::vector<std::unique_ptr<StreamConnection>> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<std::unique_ptr<StreamConnection>> ended_;
    std::vector<std::uint16_t> ended_ports_;
    Timer sweep_;
    FlatHash<std::uint64_t, std::uint32_t> slot_of_key_;
    std::vector<std::uint16_t> listening_;
    StreamCounters counters_;
    std::shared_ptr<TxBudget> budget_;  // shared with the frames still in the host
    std::deque<StreamId> throttled_;    ///< in the order of their turns
    Timer resume_;
    std::uint32_t last_serial_ = 0;
    std::size_t live_ = 0;
    std::uint16_t next_port_;
};

}  // namespace overlab::sim
