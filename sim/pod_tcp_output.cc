// What to send, and when.
#include <ns3/ipv4-end-point.h>
#include <ns3/simulator.h>
#include <ns3/tcp-congestion-ops.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-l4-protocol.h>
#include <ns3/tcp-rx-buffer.h>
#include <ns3/tcp-tx-buffer.h>

#include <algorithm>

#include "sim/pod_tcp_socket.h"

namespace overlab::sim {
namespace {

/// A window consists of at least so many aggregates, or losses and queues would be too coarse.
constexpr std::uint64_t aggregates_per_window = 8;
constexpr std::uint64_t largest_packet_bytes = 65'535;
constexpr std::uint64_t small_queue_most_bytes = 262'144;  // net.ipv4.tcp_limit_output_bytes
constexpr std::uint64_t ns_per_ms = 1'000'000;

}  // namespace

bool PodTcpSocket::may_send_data() const {
    return m_endPoint != nullptr && !fin_sent_ && (m_state == ESTABLISHED || m_state == CLOSE_WAIT);
}

std::uint64_t PodTcpSocket::offset_of(const ns3::SequenceNumber32& sequence) const {
    const std::int64_t ahead =
        static_cast<std::int32_t>(sequence.GetValue() - sequence_of(scoreboard_.una()).GetValue());
    const auto una = static_cast<std::int64_t>(scoreboard_.una());
    return static_cast<std::uint64_t>(std::max<std::int64_t>(una + ahead, 0));
}

ns3::SequenceNumber32 PodTcpSocket::sequence_of(std::uint64_t offset) const {
    return ns3::SequenceNumber32(first_sequence_.GetValue() + static_cast<std::uint32_t>(offset));
}

void PodTcpSocket::begin_stream() {
    if (stream_begun_) return;
    stream_begun_ = true;
    first_sequence_ = m_txBuffer->HeadSequence();
}

std::uint32_t PodTcpSocket::BytesInFlight() const {
    const auto bytes = static_cast<std::uint32_t>(scoreboard_.in_flight());
    m_tcb->m_bytesInFlight = bytes;
    return bytes;
}

std::uint32_t PodTcpSocket::GetTxAvailable() const {
    const std::uint64_t held = queued_end_ - scoreboard_.una();
    const std::uint64_t most = m_txBuffer->MaxBufferSize();
    return static_cast<std::uint32_t>(most - std::min(held, most));
}

int PodTcpSocket::Send(ns3::Ptr<ns3::Packet> packet, std::uint32_t) {
    if (m_state != ESTABLISHED && m_state != SYN_SENT && m_state != CLOSE_WAIT) {
        m_errno = ERROR_NOTCONN;
        return -1;
    }
    if (close_requested_ || packet->GetSize() > GetTxAvailable()) {
        m_errno = close_requested_ ? ERROR_SHUTDOWN : ERROR_MSGSIZE;
        return -1;
    }
    queued_end_ += packet->GetSize();
    send_pending();
    return static_cast<int>(packet->GetSize());
}

void PodTcpSocket::send_pending() {
    if (sending_ || !may_send_data()) return;
    begin_stream();
    if (device_->path_mtu_version() != path_mtu_version_) shrink_segment_size();
    sending_ = true;
    bool sent = false;
    Step step = send_one();
    for (; step == Step::sent; step = send_one()) sent = true;
    sending_ = false;
    throttled_ = step == Step::throttled;
    note_window_use(step == Step::window_full);
    if (sent) set_timer(false);
    close_when_done();
}

PodTcpSocket::Step PodTcpSocket::send_one() {
    const std::uint64_t window = m_tcb->m_cWnd.Get();
    const std::uint64_t in_flight = scoreboard_.in_flight();
    const std::uint64_t quota = window - std::min(window, in_flight);
    if (budget_->queued_bytes >= small_queue_limit()) return Step::throttled;
    if (const auto lost = scoreboard_.next_lost()) return send_lost(*lost, quota);
    return send_new(quota);
}

PodTcpSocket::Step PodTcpSocket::send_lost(ByteRange lost, std::uint64_t quota) {
    const std::uint64_t segment = m_tcb->m_segmentSize;
    if (quota < segment && scoreboard_.in_flight() > 0) return Step::window_full;
    const std::uint64_t most =
        std::min(std::max<std::uint64_t>(quota / segment, 1), std::uint64_t{aggregate_segments()});
    const std::uint64_t bytes = std::min(lost.end - lost.begin, most * segment);
    retransmitted_ += (bytes + segment - 1) / segment;
    const ByteRange range{lost.begin, lost.begin + bytes};
    scoreboard_.sent_again(range, m_tcb->m_segmentSize, now_ns());
    prr_.sent(bytes);
    transmit(range);
    return Step::sent;
}

PodTcpSocket::Step PodTcpSocket::send_new(std::uint64_t quota) {
    const std::uint64_t segment = m_tcb->m_segmentSize;
    const std::uint64_t unsent = queued_end_ - scoreboard_.next();
    const std::uint64_t window_end = scoreboard_.una() + m_rWnd.Get();
    const std::uint64_t room = window_end - std::min(window_end, scoreboard_.next());
    if (unsent == 0 || room == 0) return Step::nothing_to_send;

    const bool idle = scoreboard_.in_flight() == 0;
    const std::uint64_t wanted = std::min(unsent, aggregate_segments() * segment);
    std::uint64_t bytes = std::min({wanted, room, quota});
    // As tcp_tso_should_defer(): acknowledgements under way will open the window for all of it.
    if (bytes < wanted && !idle) {
        return quota < wanted ? Step::window_full : Step::nothing_to_send;
    }
    if (bytes == 0) return Step::window_full;
    const std::uint64_t odd = bytes % segment;
    // Whole segments only, but for the stream's end, which Nagle holds back while data is out.
    if (odd != 0 && bytes > segment && bytes != unsent) bytes -= odd;
    if (odd != 0 && bytes == unsent && !idle && !m_noDelay) bytes -= odd;
    if (bytes == 0) return Step::nothing_to_send;

    if (idle) m_congestionControl->CwndEvent(m_tcb, ns3::TcpSocketState::CA_EVENT_TX_START);
    const ByteRange range{scoreboard_.next(), scoreboard_.next() + bytes};
    scoreboard_.sent(bytes, m_tcb->m_segmentSize, now_ns());
    prr_.sent(bytes);
    m_tcb->m_nextTxSequence = sequence_of(range.end);
    m_tcb->m_highTxMark = sequence_of(range.end);
    transmit(range);
    return Step::sent;
}

void PodTcpSocket::transmit(ByteRange range) {
    std::uint8_t flags = ns3::TcpHeader::ACK;
    if (range.end == queued_end_) flags |= ns3::TcpHeader::PSH;
    ns3::TcpHeader header;
    header.SetFlags(flags);
    header.SetSequenceNumber(sequence_of(range.begin));
    header.SetAckNumber(m_tcb->m_rxBuffer->NextRxSequence());
    header.SetSourcePort(m_endPoint->GetLocalPort());
    header.SetDestinationPort(m_endPoint->GetPeerPort());
    header.SetWindowSize(AdvertisedWindowSize(true));
    AddOptions(header);
    m_delAckEvent.Cancel();
    m_delAckCount = 0;
    m_highTxAck = std::max(m_highTxAck, header.GetAckNumber());
    quick_acks_ = 0;  // data in both directions: acknowledgements ride along, as in pingpong mode

    const auto packet =
        ns3::Create<ns3::Packet>(static_cast<std::uint32_t>(range.end - range.begin));
    m_txTrace(packet, header, this);
    device_->plan_next({m_tcb->m_segmentSize, budget_});
    m_tcp->SendPacket(packet, header, m_endPoint->GetLocalAddress(), m_endPoint->GetPeerAddress(),
                      nullptr);
}

void PodTcpSocket::resume_later() {
    if (!throttled_ || resume_event_.IsRunning()) return;
    if (budget_->queued_bytes >= small_queue_limit()) return;
    // Not at once: the host is in the middle of its own work, as Linux's TSQ tasklet knows.
    resume_event_ = ns3::Simulator::ScheduleNow(&PodTcpSocket::send_pending, this);
}

/// As tcp_tso_autosize(), but also a fraction of the window.
std::uint32_t PodTcpSocket::aggregate_segments() const {
    if (!options_.super_segments) return 1;
    const std::uint64_t segment = m_tcb->m_segmentSize;
    const std::uint64_t window = std::min(m_tcb->m_cWnd.Get(), m_rWnd.Get());
    const std::uint64_t segments = std::min(
        {std::uint64_t{options_.max_aggregate_segments}, window / (aggregates_per_window * segment),
         pacing_bytes_per_ms() / segment, (largest_packet_bytes - header_bytes()) / segment});
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(segments, 1));
}

/// As tcp_update_pacing_rate(): twice the window a round trip in slow start, 1.2 times later.
std::uint64_t PodTcpSocket::pacing_bytes_per_ms() const {
    const std::uint64_t window = m_tcb->m_cWnd.Get();
    const std::uint64_t tenths = window < m_tcb->m_ssThresh.Get() / 2 ? 20 : 12;
    return window * tenths / 10 * ns_per_ms / std::max<std::uint64_t>(smoothed_rtt_ns(), 1);
}

/// As tcp_small_queue_check().
std::uint64_t PodTcpSocket::small_queue_limit() const {
    const std::uint64_t aggregate = std::uint64_t{aggregate_segments()} * m_tcb->m_segmentSize;
    return std::max(2 * aggregate, std::min(pacing_bytes_per_ms(), small_queue_most_bytes));
}

/// As tcp_cwnd_validate().
void PodTcpSocket::note_window_use(bool window_full) {
    const std::uint64_t out = scoreboard_.next() - scoreboard_.una();
    const bool new_round = scoreboard_.una() >= window_use_end_;
    if (!new_round && !window_full && (window_limited_ || out <= most_in_flight_)) return;
    window_limited_ = window_full;
    most_in_flight_ = out;
    window_use_end_ = scoreboard_.next();
}

/// As tcp_is_cwnd_limited(): an unused window says nothing about the path and must not grow.
bool PodTcpSocket::is_window_limited() const {
    if (window_limited_) return true;
    const std::uint64_t window = m_tcb->m_cWnd.Get();
    return window < m_tcb->m_ssThresh.Get() && window < 2 * most_in_flight_;
}

}  // namespace overlab::sim
