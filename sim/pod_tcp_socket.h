// PodTcpSocket: a TCP endpoint that behaves as Linux's does towards a network.
//
// From ns3::TcpSocketBase come the connection's states and handshake, the receive buffer with its
// SACK blocks, windows, options and the hook for congestion control. Sending is ours:
//  - Data is a count of bytes; payloads are zeros. What became of each sent byte is in
//  TcpScoreboard
//    (base's TcpTxBuffer stays empty and only knows SND.UNA).
//  - Loss recovery: RACK and tail loss probes (RFC 8985), proportional rate reduction (RFC 6937),
//    retransmission timeouts (RFC 6298) of at least 200 ms.
//  - Super-segments: up to 64 KB leave as one Frame of many real segments, as TSO does. Their size
//    adapts (aggregate_segments()), so that a window always consists of several. Congestion window,
//    losses and retransmissions are in real segments whatever the size of an aggregate.
//  - TCP small queues: only about a millisecond of this socket's bytes may wait in its own host.
//  - Path MTU discovery (RFC 1191): the segment size follows the path MTU down, and what was too
//    large leaves again at once.
//  - An aggregate of two or more segments is acknowledged at once, as after GRO; a single segment
//    waits for a second one or 40 ms. A reader that frees a closed window causes a window update.
//
// Left out: F-RTO, D-SACK and Eifel undo (a needless retransmission keeps its window reduction),
// ECN, pacing, window autotuning, slow start after idle, urgent data; a FIN waits until all data is
// acknowledged.
#pragma once

#include <ns3/tcp-socket-base.h>

#include <cstdint>
#include <memory>

#include "sim/alarm.h"
#include "sim/pod_device.h"
#include "sim/tcp_prr.h"
#include "sim/tcp_scoreboard.h"

namespace overlab::sim {

struct PodTcpOptions {
    bool super_segments = true;
    std::uint32_t max_aggregate_segments = 44;  ///< CostProfile::max_aggregate_segments
    std::uint32_t window_bytes = 4'194'304;     ///< send and receive buffer
};

class PodTcpSocket final : public ns3::TcpSocketBase {
   public:
    static ns3::TypeId GetTypeId();
    PodTcpSocket();
    PodTcpSocket(const PodTcpSocket& listening);
    ~PodTcpSocket() override;

    /// Once, before Bind(): the interface it sends through.
    void set_up(ns3::Ptr<PodDevice> device, const PodTcpOptions& options);

    /// Real segments sent again so far.
    [[nodiscard]] std::uint64_t retransmitted_segments() const { return retransmitted_; }
    [[nodiscard]] std::uint64_t timeouts() const { return timeouts_; }
    [[nodiscard]] std::uint32_t segment_bytes() const { return m_tcb->m_segmentSize; }
    /// Bytes, headers included, that have not left its host yet.
    [[nodiscard]] std::uint32_t queued_in_host() const { return budget_->queued_bytes; }
    /// Vanishes without a word, as when its pod is deleted. No callback runs.
    void abandon();
    /// Answer quickly instead of filling segments (TCP_NODELAY).
    void set_no_delay(bool on) { m_noDelay = on; }
    [[nodiscard]] std::uint16_t local_port() const;
    [[nodiscard]] std::uint16_t peer_port() const;
    [[nodiscard]] Ipv4Address peer_address() const;

    // ns3::TcpSocketBase
    int Send(ns3::Ptr<ns3::Packet> packet, std::uint32_t flags) override;
    ns3::Ptr<ns3::Packet> Recv(std::uint32_t max_bytes, std::uint32_t flags) override;
    std::uint32_t GetTxAvailable() const override;
    int Close() override;

   private:
    // What the timer is for, as icsk_pending.
    enum class Timer : std::uint8_t { none, retransmission, loss_probe, reordering };

    // ns3::TcpSocketBase
    ns3::Ptr<ns3::TcpSocketBase> Fork() override;
    void CompleteFork(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header,
                      const ns3::Address& from, const ns3::Address& to) override;
    void DoForwardUp(ns3::Ptr<ns3::Packet> packet, const ns3::Address& from,
                     const ns3::Address& to) override;
    void ReceivedAck(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header) override;
    void ReceivedData(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header) override;
    void EstimateRtt(const ns3::TcpHeader& header) override;
    std::uint16_t AdvertisedWindowSize(bool scale) const override;
    std::uint32_t BytesInFlight() const override;
    void PersistTimeout() override;

    // Sending (pod_tcp_output.cc).
    // Outcome of one step: a packet left, or why none did.
    enum class Step : std::uint8_t { sent, window_full, nothing_to_send, throttled };
    void begin_stream();
    void send_pending();
    Step send_one();
    Step send_lost(ByteRange lost, std::uint64_t quota);
    Step send_new(std::uint64_t quota);
    void transmit(ByteRange range);
    void resume_later();
    void note_window_use(bool window_full);
    [[nodiscard]] bool is_window_limited() const;
    [[nodiscard]] std::uint32_t aggregate_segments() const;
    [[nodiscard]] std::uint64_t pacing_bytes_per_ms() const;
    [[nodiscard]] std::uint64_t small_queue_limit() const;
    void close_when_done();

    // Acknowledgements and loss recovery (pod_tcp_recovery.cc).
    void read_sack_blocks(const ns3::TcpHeader& header, TcpScoreboard::Delivered& delivered);
    void take_rtt_sample(std::int64_t rtt_ns);
    std::uint64_t find_losses();
    void advance_state(const TcpScoreboard::Delivered& delivered, std::uint64_t newly_lost);
    void grow_window(std::uint64_t acked_bytes);
    void enter(ns3::TcpSocketState::TcpCongState_t state);
    void enter_recovery();
    void set_timer(bool progress);
    void timer_rang();
    void retransmission_timeout();
    void send_loss_probe();

    // Segment size (pod_tcp_socket.cc).
    void read_mss_option(const ns3::Packet& segment);
    void adopt_segment_size();
    void shrink_segment_size();
    [[nodiscard]] std::uint32_t header_bytes() const;
    void icmp_error(ns3::Ipv4Address source, std::uint8_t ttl, std::uint8_t type, std::uint8_t code,
                    std::uint32_t info);

    [[nodiscard]] std::int64_t now_ns() const { return device_->engine().now_ns(); }
    [[nodiscard]] std::uint64_t offset_of(const ns3::SequenceNumber32& sequence) const;
    [[nodiscard]] ns3::SequenceNumber32 sequence_of(std::uint64_t offset) const;
    [[nodiscard]] std::uint64_t smoothed_rtt_ns() const;
    [[nodiscard]] bool may_send_data() const;

    ns3::Ptr<PodDevice> device_;
    PodTcpOptions options_;
    std::uint32_t peer_mss_ = 0;  ///< its MSS option; 0: none seen
    std::uint32_t path_mtu_version_ = 0;

    // Stream offsets count from 0; first_sequence_ is offset 0's sequence number.
    TcpScoreboard scoreboard_;
    std::uint64_t queued_end_ = 0;  ///< the application has written this much
    ns3::SequenceNumber32 first_sequence_{0};
    bool stream_begun_ = false;  ///< first_sequence_ is known
    bool close_requested_ = false;
    bool fin_sent_ = false;

    bool sending_ = false;    ///< send_pending() is on the stack
    bool throttled_ = false;  ///< small queues stopped it
    std::shared_ptr<TxBudget> budget_;
    ns3::EventId resume_event_;

    std::uint64_t recovery_point_ = 0;  ///< Linux's high_seq
    ProportionalRateReduction prr_;
    std::uint64_t acked_remainder_ = 0;  ///< acknowledged bytes short of a whole segment
    bool window_limited_ = false;
    std::uint64_t window_use_end_ = 0;  ///< Linux's cwnd_usage_seq
    std::uint64_t most_in_flight_ = 0;  ///< Linux's max_packets_out

    std::unique_ptr<Alarm> alarm_;
    Timer timer_ = Timer::none;
    std::int64_t timeout_from_ns_ = 0;  ///< the retransmission timeout counts from here
    unsigned backoff_ = 0;
    std::uint64_t probe_end_ =
        0;  ///< a loss probe is out until this offset is acknowledged; 0: none
    std::int64_t reordering_until_ns_ = 0;  ///< RACK's verdict is due then; 0: nothing in doubt
    std::int64_t min_rtt_ns_ = 0;           ///< 0: no sample yet

    mutable ns3::SequenceNumber32 advertised_edge_{0};  ///< end of the window the peer knows
    unsigned quick_acks_ = 0;

    std::uint64_t retransmitted_ = 0, timeouts_ = 0;
};

}  // namespace overlab::sim
