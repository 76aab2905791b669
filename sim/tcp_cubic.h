// CUBIC congestion control (RFC 9438) with HyStart, in integers and in units of the real segment.
//
// The semantics are those of Linux's tcp_cubic.c: time in 1/1024 s, a window of beta = 717/1024
// after a loss, C = 0.4, fast convergence, the TCP-friendly region, and HyStart's two signals (a
// train of acknowledgements longer than half the smallest round trip; round trips that grow).
// ns-3's TcpCubic computes in double with cbrt(), whose last bits differ between processors, and
// reads the socket's segment size as its unit, which super-segments would inflate.
//
// CubicWindow is the arithmetic, TcpCubicMss ns-3's plug around it. TcpCubicMss expects
// TcpSocketState::m_segmentSize to be the real segment size and callers to ask for growth only when
// the window was used up (tcp_is_cwnd_limited()).
#pragma once

#include <ns3/tcp-congestion-ops.h>
#include <ns3/tcp-socket-state.h>

#include <cstdint>

namespace overlab::sim {

/// floor of the cube root.
[[nodiscard]] std::uint32_t cube_root(std::uint64_t x);

/// The window in segments.
class CubicWindow {
   public:
    struct Now {
        std::uint64_t time_us = 0;
        std::uint32_t window = 0;  ///< segments
    };
    /// HyStart's inputs on an acknowledgement in slow start.
    struct Round {
        std::uint32_t acked = 0, next = 0;  ///< sequence numbers: una and snd_nxt
        std::uint64_t pacing_bytes_per_s = 0;
    };

    /// After a loss: the slow start threshold, >= 2 segments.
    [[nodiscard]] std::uint32_t threshold_after_loss(std::uint32_t window);
    /// By how many segments the window grows in congestion avoidance when `acked` segments were.
    [[nodiscard]] std::uint32_t growth(Now now, std::uint32_t acked);
    /// A round-trip sample (> 0).
    void sample(std::uint64_t time_us, std::uint64_t rtt_us);
    /// True when slow start should end here.
    [[nodiscard]] bool hystart_says_stop(Now now, std::uint64_t rtt_us, const Round& round);
    /// As bictcp_reset() plus bictcp_hystart_reset(), on a retransmission timeout.
    void reset();
    /// The sender was idle for `idle_us`: the curve does not go on meanwhile.
    void skip_idle(std::uint64_t idle_us);

   private:
    void start_epoch(Now now, std::uint32_t acked);
    [[nodiscard]] std::uint32_t target_at(std::uint64_t time_us) const;
    void update(Now now, std::uint32_t acked);
    void keep_friendly(std::uint32_t window);

    std::uint32_t last_max_window_ = 0;
    std::uint32_t last_window_ = 0;
    std::uint64_t last_time_us_ = 0;
    std::uint32_t origin_ = 0;        ///< the curve's inflection point
    std::uint64_t k_ = 0;             ///< time to the inflection point, 1/1024 s
    std::uint64_t epoch_us_ = 0;      ///< 0: none has begun
    std::uint64_t delay_min_us_ = 0;  ///< 0: no sample yet
    std::uint32_t acked_in_epoch_ = 0;
    std::uint32_t friendly_window_ = 0;
    std::uint32_t acks_per_segment_ = 1;  ///< Linux's cnt
    std::uint32_t credit_ = 0;            ///< acknowledged segments not yet turned into growth

    bool stopped_slow_start_ = false;
    bool round_open_ = false;
    std::uint32_t round_end_ = 0;  ///< sequence number
    std::uint64_t round_start_us_ = 0, last_ack_us_ = 0;
    std::uint64_t round_rtt_us_ = 0;
    unsigned round_samples_ = 0;
};

class TcpCubicMss final : public ns3::TcpCongestionOps {
   public:
    static ns3::TypeId GetTypeId();

    std::string GetName() const override;
    std::uint32_t GetSsThresh(ns3::Ptr<const ns3::TcpSocketState> state,
                              std::uint32_t bytes_in_flight) override;
    void IncreaseWindow(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments) override;
    /// `rtt` is the newest sample, not the smoothed value.
    void PktsAcked(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments,
                   const ns3::Time& rtt) override;
    void CongestionStateSet(ns3::Ptr<ns3::TcpSocketState> state,
                            ns3::TcpSocketState::TcpCongState_t now) override;
    void CwndEvent(ns3::Ptr<ns3::TcpSocketState> state,
                   ns3::TcpSocketState::TcpCAEvent_t event) override;
    ns3::Ptr<ns3::TcpCongestionOps> Fork() override;

   private:
    CubicWindow cubic_;
    std::uint64_t last_ack_us_ = 0;
};

}  // namespace overlab::sim
