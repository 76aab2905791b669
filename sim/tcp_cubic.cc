#include "sim/tcp_cubic.h"

#include <ns3/simulator.h>

#include <algorithm>
#include <cstddef>

namespace overlab::sim {
namespace {

// Names and values of tcp_cubic.c.
constexpr std::uint64_t beta = 717, beta_scale = 1024;
constexpr unsigned time_shift = 10;                               // BICTCP_HZ
constexpr std::uint64_t cube_rtt_scale = std::uint64_t{41} * 10;  // bic_scale * 10: C = 0.4
constexpr std::uint64_t cube_factor = (std::uint64_t{1} << (10 + 3 * time_shift)) / cube_rtt_scale;
constexpr std::uint64_t friendly_scale = 8 * (beta_scale + beta) / 3 / (beta_scale - beta);
constexpr std::uint64_t update_pause_us = 1'000'000 / 32;

constexpr std::uint32_t hystart_low_window = 16;
constexpr unsigned hystart_min_samples = 8;
constexpr std::uint64_t hystart_delay_min_us = 4'000, hystart_delay_max_us = 16'000;
constexpr std::uint64_t hystart_ack_gap_us = 2'000;
constexpr std::uint64_t hystart_gso_bytes = std::uint64_t{4} * 65'536;

std::uint64_t to_curve_time(std::uint64_t us) { return (us << time_shift) / 1'000'000; }

}  // namespace

std::uint32_t cube_root(std::uint64_t x) {
    std::uint64_t root = 0;
    for (int bit = 21; bit >= 0; --bit) {
        constexpr std::uint64_t largest = 2'642'245;  // its successor's cube needs 65 bits
        const std::uint64_t next = root | (std::uint64_t{1} << bit);
        if (next <= largest && next * next * next <= x) root = next;
    }
    return static_cast<std::uint32_t>(root);
}

std::uint32_t CubicWindow::threshold_after_loss(std::uint32_t window) {
    epoch_us_ = 0;
    // Fast convergence: a window that fell short of the last one makes room for newcomers.
    last_max_window_ =
        window < last_max_window_
            ? static_cast<std::uint32_t>(window * (beta_scale + beta) / (2 * beta_scale))
            : window;
    return std::max<std::uint32_t>(static_cast<std::uint32_t>(window * beta / beta_scale), 2);
}

std::uint32_t CubicWindow::growth(Now now, std::uint32_t acked) {
    update(now, acked);
    // As tcp_cong_avoid_ai().
    std::uint32_t grown = 0;
    if (credit_ >= acks_per_segment_) {
        credit_ = 0;
        grown = 1;
    }
    credit_ += acked;
    grown += credit_ / acks_per_segment_;
    credit_ %= acks_per_segment_;
    return grown;
}

void CubicWindow::update(Now now, std::uint32_t acked) {
    acked_in_epoch_ += acked;
    if (last_window_ == now.window && now.time_us - last_time_us_ <= update_pause_us) return;
    const bool same_time = epoch_us_ != 0 && now.time_us == last_time_us_;
    if (!same_time) {
        last_window_ = now.window;
        last_time_us_ = now.time_us;
        if (epoch_us_ == 0) start_epoch(now, acked);
        const std::uint32_t target = target_at(now.time_us);
        acks_per_segment_ =
            target > now.window ? now.window / (target - now.window) : 100 * now.window;
        // Without a loss so far there is no curve to follow: grow at 5 % a round trip.
        if (last_max_window_ == 0) acks_per_segment_ = std::min(acks_per_segment_, 20U);
    }
    keep_friendly(now.window);
    acks_per_segment_ = std::max(acks_per_segment_, 2U);
}

void CubicWindow::start_epoch(Now now, std::uint32_t acked) {
    epoch_us_ = std::max<std::uint64_t>(now.time_us, 1);
    acked_in_epoch_ = acked;
    friendly_window_ = now.window;
    if (last_max_window_ <= now.window) {
        k_ = 0;
        origin_ = now.window;
    } else {
        k_ = cube_root(cube_factor * (last_max_window_ - now.window));
        origin_ = last_max_window_;
    }
}

std::uint32_t CubicWindow::target_at(std::uint64_t time_us) const {
    const std::uint64_t t = to_curve_time(time_us - epoch_us_ + delay_min_us_);
    // 64 bits hold 410 * offset^3 for offsets below 2^18, four minutes from the inflection point.
    const std::uint64_t offset = std::min<std::uint64_t>(t < k_ ? k_ - t : t - k_, (1U << 18) - 1);
    const std::uint64_t delta =
        (cube_rtt_scale * offset * offset * offset) >> (10 + 3 * time_shift);
    if (t < k_) return delta < origin_ ? origin_ - static_cast<std::uint32_t>(delta) : 0;
    return origin_ + static_cast<std::uint32_t>(std::min<std::uint64_t>(delta, 1U << 30));
}

// RFC 9438 §4.3: never slower than Reno with the same beta.
void CubicWindow::keep_friendly(std::uint32_t window) {
    const auto acks_each = static_cast<std::uint32_t>((window * friendly_scale) >> 3);
    if (acks_each > 0 && acked_in_epoch_ > acks_each) {
        const std::uint32_t steps = (acked_in_epoch_ - 1) / acks_each;
        acked_in_epoch_ -= steps * acks_each;
        friendly_window_ += steps;
    }
    if (friendly_window_ > window) {
        acks_per_segment_ = std::min(acks_per_segment_, window / (friendly_window_ - window));
    }
}

void CubicWindow::sample(std::uint64_t time_us, std::uint64_t rtt_us) {
    // As cubictcp_acked(): delays right after a recovery say nothing about the path.
    if (epoch_us_ != 0 && time_us - epoch_us_ < 1'000'000) return;
    delay_min_us_ = delay_min_us_ == 0 ? rtt_us : std::min(delay_min_us_, rtt_us);
}

bool CubicWindow::hystart_says_stop(Now now, std::uint64_t rtt_us, const Round& round) {
    if (stopped_slow_start_ || delay_min_us_ == 0) return false;
    if (!round_open_ || static_cast<std::int32_t>(round.acked - round_end_) > 0) {
        round_open_ = true;
        round_end_ = round.next;
        round_start_us_ = last_ack_us_ = now.time_us;
        round_rtt_us_ = ~std::uint64_t{0};
        round_samples_ = 0;
    }
    if (now.window < hystart_low_window) return false;  // rounds are counted from the first, though
    if (now.time_us - last_ack_us_ <= hystart_ack_gap_us) {
        last_ack_us_ = now.time_us;
        // As hystart_ack_delay(), halved because nothing paces the flow.
        const std::uint64_t gso_us =
            hystart_gso_bytes * 1'000'000 / std::max<std::uint64_t>(round.pacing_bytes_per_s, 1);
        const std::uint64_t train_us = (delay_min_us_ + std::min<std::uint64_t>(gso_us, 1'000)) / 2;
        if (now.time_us - round_start_us_ > train_us) stopped_slow_start_ = true;
    }
    round_rtt_us_ = std::min(round_rtt_us_, rtt_us);
    if (round_samples_ < hystart_min_samples) {
        ++round_samples_;
    } else if (round_rtt_us_ > delay_min_us_ + std::clamp(delay_min_us_ / 8, hystart_delay_min_us,
                                                          hystart_delay_max_us)) {
        stopped_slow_start_ = true;
    }
    return stopped_slow_start_;
}

void CubicWindow::reset() { *this = CubicWindow(); }

void CubicWindow::skip_idle(std::uint64_t idle_us) {
    if (epoch_us_ != 0) epoch_us_ += idle_us;
}

// --- ns-3's plug -------------------------------------------------------------------------------

namespace {

std::uint64_t now_us() {
    return static_cast<std::uint64_t>(ns3::Simulator::Now().GetNanoSeconds()) / 1'000;
}

std::uint32_t window_segments(const ns3::TcpSocketState& state) {
    return std::max(state.m_cWnd.Get() / state.m_segmentSize, 1U);
}

bool in_slow_start(const ns3::TcpSocketState& state) {
    return state.m_cWnd.Get() < state.m_ssThresh.Get();
}

/// As tcp_update_pacing_rate() in slow start.
std::uint64_t pacing_bytes_per_s(const ns3::TcpSocketState& state) {
    const std::int64_t rtt_ns = std::max<std::int64_t>(state.m_lastRtt.Get().GetNanoSeconds(), 1);
    return 2 * std::uint64_t{state.m_cWnd.Get()} * 1'000'000'000 /
           static_cast<std::uint64_t>(rtt_ns);
}

}  // namespace

NS_OBJECT_ENSURE_REGISTERED(TcpCubicMss);

ns3::TypeId TcpCubicMss::GetTypeId() {
    static const ns3::TypeId id = ns3::TypeId("overlab::sim::TcpCubicMss")
                                      .SetParent<ns3::TcpCongestionOps>()
                                      .AddConstructor<TcpCubicMss>();
    return id;
}

std::string TcpCubicMss::GetName() const { return "TcpCubicMss"; }

std::uint32_t TcpCubicMss::GetSsThresh(ns3::Ptr<const ns3::TcpSocketState> state, std::uint32_t) {
    return cubic_.threshold_after_loss(window_segments(*state)) * state->m_segmentSize;
}

void TcpCubicMss::IncreaseWindow(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t segments) {
    const std::uint32_t segment = state->m_segmentSize;
    std::uint64_t window = state->m_cWnd.Get();
    if (in_slow_start(*state)) {  // as tcp_slow_start()
        const std::uint64_t threshold = state->m_ssThresh.Get();
        const std::uint64_t grown = std::min(window + std::uint64_t{segments} * segment, threshold);
        const std::uint64_t used = (grown - window + segment - 1) / segment;
        segments -= static_cast<std::uint32_t>(std::min<std::uint64_t>(used, segments));
        window = grown;
    }
    if (segments > 0) {
        const auto in_segments =
            static_cast<std::uint32_t>(std::max<std::uint64_t>(window / segment, 1));
        window += std::uint64_t{cubic_.growth({now_us(), in_segments}, segments)} * segment;
    }
    constexpr std::uint64_t most = std::uint64_t{1} << 31;
    state->m_cWnd = static_cast<std::uint32_t>(std::min(window, most));
}

void TcpCubicMss::PktsAcked(ns3::Ptr<ns3::TcpSocketState> state, std::uint32_t,
                            const ns3::Time& rtt) {
    const std::int64_t rtt_ns = rtt.GetNanoSeconds();
    if (rtt_ns <= 0) return;
    const std::uint64_t rtt_us =
        std::max<std::uint64_t>(static_cast<std::uint64_t>(rtt_ns) / 1'000, 1);
    last_ack_us_ = now_us();
    cubic_.sample(last_ack_us_, rtt_us);
    if (!in_slow_start(*state)) return;
    const CubicWindow::Round round{state->m_lastAckedSeq.GetValue(),
                                   state->m_highTxMark.Get().GetValue(),
                                   pacing_bytes_per_s(*state)};
    if (cubic_.hystart_says_stop({now_us(), window_segments(*state)}, rtt_us, round)) {
        state->m_ssThresh = state->m_cWnd.Get();
    }
}

void TcpCubicMss::CongestionStateSet(ns3::Ptr<ns3::TcpSocketState>,
                                     const ns3::TcpSocketState::TcpCongState_t now) {
    if (now == ns3::TcpSocketState::CA_LOSS) cubic_.reset();
}

// As cubictcp_cwnd_event(): the curve stands still while the application sends nothing.
void TcpCubicMss::CwndEvent(ns3::Ptr<ns3::TcpSocketState>,
                            const ns3::TcpSocketState::TcpCAEvent_t event) {
    if (event == ns3::TcpSocketState::CA_EVENT_TX_START) cubic_.skip_idle(now_us() - last_ack_us_);
}

ns3::Ptr<ns3::TcpCongestionOps> TcpCubicMss::Fork() { return ns3::CopyObject<TcpCubicMss>(this); }

}  // namespace overlab::sim
