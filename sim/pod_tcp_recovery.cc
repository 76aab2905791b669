// What acknowledgements and timers mean.
#include <ns3/ipv4-end-point.h>
#include <ns3/rtt-estimator.h>
#include <ns3/simulator.h>
#include <ns3/tcp-congestion-ops.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-l4-protocol.h>
#include <ns3/tcp-option-sack.h>
#include <ns3/tcp-rx-buffer.h>
#include <ns3/tcp-tx-buffer.h>

#include <algorithm>

#include "sim/pod_tcp_socket.h"

namespace overlab::sim {
namespace {

using State = ns3::TcpSocketState;

constexpr std::int64_t longest_timeout_ns = 120'000'000'000;  // TCP_RTO_MAX
constexpr unsigned most_backoff = 10;                         // 200 ms << 10 exceeds it
constexpr std::int64_t probe_slack_ns = 2'000'000;            // TCP_TIMEOUT_MIN: two 1 ms ticks
constexpr std::int64_t probe_delayed_ack_ns = 200'000'000;    // TCP_RTO_MIN, one packet in flight
constexpr std::int64_t longest_persist_ns = 60'000'000'000;

}  // namespace

std::uint64_t PodTcpSocket::smoothed_rtt_ns() const {
    if (min_rtt_ns_ == 0) return 0;
    return static_cast<std::uint64_t>(
        std::max<std::int64_t>(m_tcb->m_lastRtt.Get().GetNanoSeconds(), 1));
}

void PodTcpSocket::ReceivedAck(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header) {
    begin_stream();
    const std::uint64_t offset = offset_of(header.GetAckNumber());
    TcpScoreboard::Delivered delivered;
    scoreboard_.acknowledge(std::min(offset, scoreboard_.next()), now_ns(), delivered);
    read_sack_blocks(header, delivered);
    if (fin_sent_ && offset > scoreboard_.next()) {
        m_retxEvent.Cancel();  // the FIN's
        m_tcb->m_nextTxSequence = header.GetAckNumber();
    }
    if (delivered.acked_bytes > 0 || fin_sent_) {
        m_txBuffer->SetHeadSequence(header.GetAckNumber());
        m_tcb->m_lastAckedSeq = header.GetAckNumber();
        m_dataRetrCount = m_dataRetries;
        backoff_ = 0;
    }
    if (delivered.rtt_ns > 0) take_rtt_sample(delivered.rtt_ns);
    if (scoreboard_.una() >= probe_end_) probe_end_ = 0;

    const std::uint64_t newly_lost = find_losses();
    advance_state(delivered, newly_lost);
    set_timer(delivered.newly_bytes > 0);
    if (delivered.acked_bytes > 0 && GetTxAvailable() > 0) NotifySend(GetTxAvailable());
    if (packet->GetSize() > 0) ReceivedData(packet, header);
    // DoForwardUp() calls send_pending() when the state machine is done.
}

void PodTcpSocket::read_sack_blocks(const ns3::TcpHeader& header,
                                    TcpScoreboard::Delivered& delivered) {
    if (!header.HasOption(ns3::TcpOption::SACK)) return;
    const auto option =
        ns3::DynamicCast<const ns3::TcpOptionSack>(header.GetOption(ns3::TcpOption::SACK));
    for (const auto& [begin, end] : option->GetSackList()) {
        scoreboard_.sacked({offset_of(begin), offset_of(end)}, now_ns(), delivered);
    }
}

void PodTcpSocket::take_rtt_sample(std::int64_t rtt_ns) {
    rtt_ns = std::max<std::int64_t>(rtt_ns, 1);
    m_rtt->Measurement(ns3::NanoSeconds(static_cast<std::uint64_t>(rtt_ns)));
    m_tcb->m_lastRtt = m_rtt->GetEstimate();
    min_rtt_ns_ = min_rtt_ns_ == 0 ? rtt_ns : std::min(min_rtt_ns_, rtt_ns);
    m_tcb->m_minRtt = ns3::NanoSeconds(static_cast<std::uint64_t>(min_rtt_ns_));
    const ns3::Time margin = std::max(m_clockGranularity, m_rtt->GetVariation() * 4);
    m_rto = std::max(m_rtt->GetEstimate() + margin, m_minRto);
    m_congestionControl->PktsAcked(m_tcb, 1, ns3::NanoSeconds(static_cast<std::uint64_t>(rtt_ns)));
}

std::uint64_t PodTcpSocket::find_losses() {
    const TcpScoreboard::Losses losses =
        scoreboard_.detect_losses({.now_ns = now_ns(),
                                   .min_rtt_ns = min_rtt_ns_,
                                   .smoothed_rtt_ns = static_cast<std::int64_t>(smoothed_rtt_ns()),
                                   .in_recovery = m_tcb->m_congState.Get() >= State::CA_RECOVERY,
                                   .segment_bytes = m_tcb->m_segmentSize});
    reordering_until_ns_ = losses.wait_ns > 0 ? now_ns() + losses.wait_ns : 0;
    return losses.bytes;
}

void PodTcpSocket::enter(State::TcpCongState_t state) {
    if (m_tcb->m_congState.Get() == state) return;
    m_congestionControl->CongestionStateSet(m_tcb, state);
    m_tcb->m_congState = state;
}

void PodTcpSocket::enter_recovery() {
    recovery_point_ = scoreboard_.next();
    prr_.enter(m_tcb->m_cWnd.Get());
    m_tcb->m_ssThresh = m_congestionControl->GetSsThresh(m_tcb, BytesInFlight());
    enter(State::CA_RECOVERY);
}

/// As tcp_fastretrans_alert() and tcp_cong_control().
void PodTcpSocket::advance_state(const TcpScoreboard::Delivered& delivered,
                                 std::uint64_t newly_lost) {
    const bool repaired = scoreboard_.una() >= recovery_point_;
    if (repaired && m_tcb->m_congState.Get() >= State::CA_RECOVERY) {
        if (m_tcb->m_congState.Get() == State::CA_RECOVERY) m_tcb->m_cWnd = m_tcb->m_ssThresh.Get();
        enter(State::CA_OPEN);
    }
    if (m_tcb->m_congState.Get() < State::CA_RECOVERY) {
        if (scoreboard_.lost_bytes() > 0) {
            enter_recovery();
        } else {
            enter(scoreboard_.sacked_bytes() > 0 ? State::CA_DISORDER : State::CA_OPEN);
        }
    }
    if (m_tcb->m_congState.Get() == State::CA_RECOVERY) {
        m_tcb->m_cWnd = static_cast<std::uint32_t>(
            prr_.window_after({.in_flight = scoreboard_.in_flight(),
                               .ssthresh = m_tcb->m_ssThresh.Get(),
                               .newly_delivered = delivered.newly_bytes,
                               .segment_bytes = m_tcb->m_segmentSize,
                               .safe = delivered.acked_bytes > 0 && newly_lost == 0}));
    } else if (delivered.acked_bytes > 0) {
        grow_window(delivered.acked_bytes);
    }
    BytesInFlight();  // keeps ns-3's traced value true
}

void PodTcpSocket::grow_window(std::uint64_t acked_bytes) {
    acked_remainder_ += acked_bytes;
    const std::uint64_t segments = acked_remainder_ / m_tcb->m_segmentSize;
    acked_remainder_ %= m_tcb->m_segmentSize;
    if (segments == 0 || !is_window_limited()) return;
    m_congestionControl->IncreaseWindow(m_tcb, static_cast<std::uint32_t>(segments));
}

// --- timers --------------------------------------------------------------------------------------

/// `progress`: an acknowledgement brought news, the retransmission timeout starts afresh.
void PodTcpSocket::set_timer(bool progress) {
    if (scoreboard_.all_acked()) {
        timer_ = Timer::none;
        alarm_->cancel();
        return;
    }
    if (progress || timer_ == Timer::none) timeout_from_ns_ = now_ns();
    const std::int64_t timeout_ns =
        std::min(m_rto.Get().GetNanoSeconds() << backoff_, longest_timeout_ns);
    timer_ = Timer::retransmission;
    std::int64_t at_ns = timeout_from_ns_ + timeout_ns;

    const bool quiet = m_tcb->m_congState.Get() == State::CA_OPEN && probe_end_ == 0 &&
                       min_rtt_ns_ > 0 && backoff_ == 0;
    if (reordering_until_ns_ > 0) {
        timer_ = Timer::reordering;
        at_ns = std::min(at_ns, reordering_until_ns_);
    } else if (quiet) {  // as tcp_schedule_loss_probe()
        const bool single = scoreboard_.in_flight() <= m_tcb->m_segmentSize;
        const std::int64_t patience_ns = 2 * static_cast<std::int64_t>(smoothed_rtt_ns()) +
                                         (single ? probe_delayed_ack_ns : probe_slack_ns);
        if (now_ns() + patience_ns < at_ns) {
            timer_ = Timer::loss_probe;
            at_ns = now_ns() + patience_ns;
        }
    }
    alarm_->set(std::max(at_ns, now_ns()));
}

void PodTcpSocket::timer_rang() {
    if (!may_send_data() || scoreboard_.all_acked()) return;
    switch (timer_) {
        case Timer::none:
            return;
        case Timer::reordering:
            advance_state({}, find_losses());
            set_timer(false);
            send_pending();
            return;
        case Timer::loss_probe:
            send_loss_probe();
            return;
        case Timer::retransmission:
            retransmission_timeout();
            return;
    }
}

/// As tcp_send_loss_probe(): new data if there is some, else the last segment once more.
void PodTcpSocket::send_loss_probe() {
    const std::uint64_t segment = m_tcb->m_segmentSize;
    const std::uint64_t next = scoreboard_.next();
    const std::uint64_t window_end = scoreboard_.una() + m_rWnd.Get();
    const std::uint64_t fresh =
        std::min({segment, queued_end_ - next, window_end - std::min(window_end, next)});
    ByteRange range{next, next + fresh};
    if (fresh > 0) {
        scoreboard_.sent(fresh, m_tcb->m_segmentSize, now_ns());
        m_tcb->m_nextTxSequence = sequence_of(range.end);
        m_tcb->m_highTxMark = sequence_of(range.end);
    } else {
        range = {next - std::min(segment, next - scoreboard_.una()), next};
        scoreboard_.sent_again(range, m_tcb->m_segmentSize, now_ns());
        ++retransmitted_;
    }
    probe_end_ = scoreboard_.next();
    transmit(range);
    set_timer(true);
}

/// As tcp_retransmit_timer() and tcp_enter_loss().
void PodTcpSocket::retransmission_timeout() {
    if (m_dataRetrCount == 0) {
        NotifyErrorClose();
        CloseAndNotify();
        return;
    }
    --m_dataRetrCount;
    ++timeouts_;
    backoff_ = std::min(backoff_ + 1, most_backoff);
    probe_end_ = 0;
    reordering_until_ns_ = 0;

    const bool fresh =
        m_tcb->m_congState.Get() < State::CA_RECOVERY || scoreboard_.una() >= recovery_point_;
    if (fresh) m_tcb->m_ssThresh = m_congestionControl->GetSsThresh(m_tcb, BytesInFlight());
    scoreboard_.mark_all_lost();
    recovery_point_ = scoreboard_.next();
    m_tcb->m_cWnd = m_tcb->m_segmentSize;
    acked_remainder_ = 0;
    enter(State::CA_LOSS);
    set_timer(true);
    send_pending();
}

/// Asks for the window by a byte the peer has already, as tcp_xmit_probe_skb() does.
void PodTcpSocket::PersistTimeout() {
    ns3::TcpHeader header;
    header.SetFlags(ns3::TcpHeader::ACK);
    header.SetSequenceNumber(sequence_of(scoreboard_.una()) - 1);
    header.SetAckNumber(m_tcb->m_rxBuffer->NextRxSequence());
    header.SetSourcePort(m_endPoint->GetLocalPort());
    header.SetDestinationPort(m_endPoint->GetPeerPort());
    header.SetWindowSize(AdvertisedWindowSize(true));
    AddOptions(header);
    m_tcp->SendPacket(ns3::Create<ns3::Packet>(1U), header, m_endPoint->GetLocalAddress(),
                      m_endPoint->GetPeerAddress(), nullptr);
    m_persistTimeout = std::min(m_persistTimeout + m_persistTimeout,
                                ns3::Time(ns3::NanoSeconds(longest_persist_ns)));
    m_persistEvent =
        ns3::Simulator::Schedule(m_persistTimeout, &PodTcpSocket::PersistTimeout, this);
}

}  // namespace overlab::sim
