// StreamConnection: one end of one stream (sim/stream.h has the model). Only StreamHost uses it.
//
// Offsets count the stream's bytes in each direction from 0; the SYN is byte 0, messages follow,
// the FIN is the byte after the last. On the wire: initial sequence number + offset, modulo 2^32.
//
//   sender      0 .. una_ acknowledged .. max_ sent once .. end_ queued
//               rtx_ .. rtx_end_: what is being sent again, selectively acknowledged ranges left
//               out
//   receiver    0 .. received_ in order .. beyond_ (ranges received beyond a hole)
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sim/byte_ranges.h"
#include "sim/stream.h"
#include "sim/tcp_segment.h"

namespace overlab::sim {

class StreamConnection {
   public:
    StreamConnection(StreamHost& host, StreamHost::Key key, StreamId id);
    ~StreamConnection();
    StreamConnection(const StreamConnection&) = delete;
    StreamConnection& operator=(const StreamConnection&) = delete;

    [[nodiscard]] StreamId id() const { return id_; }
    [[nodiscard]] const StreamHost::Key& key() const { return key_; }
    [[nodiscard]] std::uint64_t unacknowledged() const { return end_ - una_; }
    [[nodiscard]] bool accepts_messages() const { return state_ < State::closing; }
    [[nodiscard]] bool same_peer(std::uint32_t initial_sequence) const {
        return state_ != State::syn_sent && peer_isn_ == initial_sequence;
    }

    /// Sends the SYN (the listening side sends its own when the peer's has arrived).
    void start();
    void send(StreamMessage message);
    void finish();  ///< queue the FIN
    void send_reset();
    void receive(const TcpSegment& segment, const Frame& frame);
    /// The host is busy: true if this connection was not in the queue for it yet.
    bool wait_for_turn() { return !std::exchange(waits_for_turn_, true); }
    void take_turn();
    /// The peer has begun a new stream from the same port.
    void replaced();
    /// Stops the timer; nothing is sent or reported from now on.
    void stop();

   private:
    /// Order is load-bearing: accepts_messages().
    enum class State : std::uint8_t { syn_sent, syn_received, open, closing, stopped };
    static constexpr std::int64_t never = INT64_MAX;

    struct Piece {
        std::uint64_t end = 0;  ///< offset after the message's last byte
        StreamMessage message;
    };
    /// Cargo of a data frame: the messages whose last byte it holds.
    struct Chunk {
        Piece first;
        std::vector<Piece> more;
    };

    // Sending.
    void pump();
    [[nodiscard]] bool has_to_send() const;
    bool send_again(std::uint64_t window);
    bool send_new(std::uint64_t window);
    void send_range(ByteRange range);
    void send_acknowledgement();
    void send_probe();
    void transmit(std::uint64_t offset, std::uint8_t flags, FramePtr frame);
    [[nodiscard]] std::shared_ptr<const Chunk> chunk_of(ByteRange range) const;
    [[nodiscard]] std::uint32_t segment_bytes() const;
    [[nodiscard]] bool outstanding() const { return una_ < max_; }

    // Acknowledgements.
    void on_acknowledgement(const TcpSegment& segment);
    void advance(std::uint64_t acknowledged);
    void on_sacks(const TcpSegment& segment);
    void measure(std::uint32_t round_trip_ms);
    void drop_acknowledged();

    // Receiving.
    bool accept_syn(const TcpSegment& segment);
    void on_data(const TcpSegment& segment, const Frame& frame, std::uint64_t offset);
    void keep_pieces(const Chunk& chunk, ByteRange arrived);
    void keep_piece(const Piece& piece, ByteRange arrived);
    void deliver();
    void acknowledge(bool at_once);
    void write_sacks(TcpSegment& segment) const;
    void on_fin();
    void on_reset(const TcpSegment& segment);
    void opened();
    void report_drained();
    void finish_if_done();
    [[nodiscard]] std::uint64_t peer_offset(std::uint32_t sequence) const;
    [[nodiscard]] std::uint64_t own_offset(std::uint32_t acknowledgement) const;

    // Time.
    void on_timer();
    void on_retransmission_time();
    void on_silence();
    void arm();
    void start_retransmission_timer();
    [[nodiscard]] std::int64_t quiet_ns() const;
    [[nodiscard]] std::int64_t silence_ends() const;
    [[nodiscard]] std::int64_t retransmission_ns() const;
    [[nodiscard]] std::int64_t now() const { return host_.runtime_.now().ns; }
    void end(StreamEnd why);

    StreamHost& host_;
    StreamHost::Key key_;
    State state_;
    bool reported_;  ///< the handler knows of this stream and wants to
    bool fin_queued_ = false;
    bool waits_for_turn_ = false;
    bool was_full_ = false;  ///< above low water since the last stream_drained
    std::uint8_t back_off_ = 0;
    std::uint8_t probes_ = 0;      ///< keepalives since anything was heard
    std::uint8_t peer_scale_ = 0;  ///< of its window field
    std::uint16_t peer_mss_;
    std::uint16_t path_mss_ = 0xffff;  ///< lowered when large segments do not come through
    StreamId id_;
    std::uint32_t isn_, peer_isn_ = 0;
    std::uint32_t peer_stamp_ = 0;  ///< echoed (TS.Recent)
    std::uint32_t congestion_window_ = 0, slow_start_end_ = 0xffffffff;
    /// Round trip and four times its mean deviation, in 1/8 and 1/4 ms; 0: nothing measured.
    std::int32_t smoothed_ = 0, deviation_ = 0;
    std::uint32_t unacked_received_ = 0;
    std::uint32_t peer_window_ = 0xffff;
    std::uint32_t queue_head_ = 0;

    std::uint64_t una_ = 0, max_ = 0, end_ = 1;
    std::uint64_t large_end_ = 0;  ///< end of the first segment whose size the path might refuse
    std::uint64_t rtx_ = 0, rtx_end_ = 0, recovery_end_ = 0;
    std::vector<Piece> queue_;  ///< not acknowledged, ascending
    ByteRanges sacked_;

    std::uint64_t received_ = 0, fin_at_ = 0, acknowledged_ = 0, newest_ = 0;
    ByteRanges beyond_;
    std::vector<Piece> pending_;  ///< arrived, but a byte before is missing; ascending

    TimerId timer_;
    std::int64_t timer_ns_ = never;
    std::int64_t retransmit_ns_ = never, acknowledge_ns_ = never;
    std::int64_t heard_ns_, progress_ns_;
};

}  // namespace overlab::sim
