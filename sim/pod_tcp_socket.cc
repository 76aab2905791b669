// The connection: set-up, segment size, receiving and closing.
#include "sim/pod_tcp_socket.h"

#include <ns3/ipv4-end-point.h>
#include <ns3/rtt-estimator.h>
#include <ns3/simulator.h>
#include <ns3/tcp-congestion-ops.h>
#include <ns3/tcp-header.h>
#include <ns3/tcp-rx-buffer.h>
#include <ns3/tcp-tx-buffer.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "models/net/wire.h"

namespace overlab::sim {
namespace {

// Linux's values.
constexpr std::uint32_t initial_window_segments = 10;   // TCP_INIT_CWND
constexpr std::int64_t min_timeout_ns = 200'000'000;    // TCP_RTO_MIN
constexpr std::int64_t delayed_ack_ns = 40'000'000;     // TCP_DELACK_MIN
constexpr std::int64_t syn_timeout_ns = 1'000'000'000;  // TCP_TIMEOUT_INIT
constexpr std::uint32_t syn_retries = 7;                // the first SYN and tcp_syn_retries = 6
constexpr std::uint32_t data_retries = 15;              // tcp_retries2
constexpr unsigned quick_acks_at_start = 16;            // TCP_MAX_QUICKACKS
constexpr double segment_lifetime_s = 30;               // TIME_WAIT is twice that: 60 s

constexpr std::uint32_t ip_and_tcp_bytes = Ipv4Header::bytes + TcpHeader::bytes;
constexpr std::uint32_t timestamp_option_bytes = 12;
constexpr std::uint32_t min_segment_bytes = 48;  // TCP_MIN_SND_MSS

/// The MSS option of a SYN; 0 when this is no SYN or has none.
std::uint32_t mss_option(std::span<const std::uint8_t> header) {
    if (header.size() < TcpHeader::bytes || (header[13] & TcpHeader::syn) == 0) return 0;
    const std::size_t end = std::min((std::size_t{header[12]} >> 4) * 4, header.size());
    std::size_t at = TcpHeader::bytes;
    while (at + 1 < end) {
        const std::uint8_t kind = header[at];
        if (kind == 0) break;
        if (kind == 1) {
            ++at;
            continue;
        }
        const std::uint8_t length = header[at + 1];
        if (length < 2 || at + length > end) break;
        if (kind == 2 && length == 4) return header[at + 2] * 256U + header[at + 3];
        at += length;
    }
    return 0;
}

}  // namespace

NS_OBJECT_ENSURE_REGISTERED(PodTcpSocket);

ns3::TypeId PodTcpSocket::GetTypeId() {
    static const ns3::TypeId id = ns3::TypeId("overlab::sim::PodTcpSocket")
                                      .SetParent<ns3::TcpSocketBase>()
                                      .AddConstructor<PodTcpSocket>();
    return id;
}

PodTcpSocket::PodTcpSocket() = default;

PodTcpSocket::PodTcpSocket(const PodTcpSocket& listening)
    : ns3::TcpSocketBase(listening), peer_mss_(listening.peer_mss_) {
    set_up(listening.device_, listening.options_);
}

PodTcpSocket::~PodTcpSocket() {
    resume_event_.Cancel();
    if (budget_ != nullptr) budget_->drained = nullptr;  // frames in flight share it
}

void PodTcpSocket::set_up(ns3::Ptr<PodDevice> device, const PodTcpOptions& options) {
    device_ = device;
    options_ = options;
    alarm_ = std::make_unique<Alarm>(device->engine(), [this] { timer_rang(); });
    budget_ = std::make_shared<TxBudget>();
    budget_->drained = [this] { resume_later(); };
    m_icmpCallback = ns3::MakeCallback(&PodTcpSocket::icmp_error, this);

    m_minRto = ns3::NanoSeconds(min_timeout_ns);
    m_persistTimeout = m_minRto;
    m_cnTimeout = ns3::NanoSeconds(syn_timeout_ns);
    m_synRetries = m_synCount = syn_retries;
    m_dataRetries = m_dataRetrCount = data_retries;
    m_delAckTimeout = ns3::NanoSeconds(delayed_ack_ns);
    m_delAckMaxCount = 2;
    m_msl = segment_lifetime_s;
    quick_acks_ = quick_acks_at_start;
    m_txBuffer->SetMaxBufferSize(options.window_bytes);
    m_tcb->m_rxBuffer->SetMaxBufferSize(options.window_bytes);
    m_tcb->m_initialCWnd = initial_window_segments;
    m_tcb->m_initialSsThresh = 0xffff'ffff;
    m_tcb->m_segmentSize = min_segment_bytes;  // until the peer is known
}

std::uint16_t PodTcpSocket::local_port() const {
    return m_endPoint == nullptr ? std::uint16_t{0} : m_endPoint->GetLocalPort();
}
std::uint16_t PodTcpSocket::peer_port() const {
    return m_endPoint == nullptr ? std::uint16_t{0} : m_endPoint->GetPeerPort();
}
Ipv4Address PodTcpSocket::peer_address() const {
    return {m_endPoint == nullptr ? 0 : m_endPoint->GetPeerAddress().Get()};
}

ns3::Ptr<ns3::TcpSocketBase> PodTcpSocket::Fork() { return ns3::CopyObject<PodTcpSocket>(this); }

void PodTcpSocket::CompleteFork(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header,
                                const ns3::Address& from, const ns3::Address& to) {
    ns3::TcpSocketBase::CompleteFork(packet, header, from, to);
    adopt_segment_size();
    m_tcb->m_cWnd = initial_window_segments * m_tcb->m_segmentSize;
}

// --- segment size --------------------------------------------------------------------------------

std::uint32_t PodTcpSocket::header_bytes() const {
    return ip_and_tcp_bytes + (m_timestampEnabled ? timestamp_option_bytes : 0);
}

void PodTcpSocket::read_mss_option(const ns3::Packet& segment) {
    std::array<std::uint8_t, 60> bytes;
    const std::uint32_t seen =
        segment.CopyData(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
    const std::uint32_t mss = mss_option(std::span(bytes).first(seen));
    if (mss == 0) return;
    peer_mss_ = mss;
    if (m_state == SYN_SENT) adopt_segment_size();
}

/// As tcp_sync_mss(): the path's MTU and the peer's MSS option, less the options of data segments.
void PodTcpSocket::adopt_segment_size() {
    path_mtu_version_ = device_->path_mtu_version();
    std::uint32_t packet_bytes = device_->path_mtu(peer_address());
    if (peer_mss_ > 0) packet_bytes = std::min(packet_bytes, peer_mss_ + ip_and_tcp_bytes);
    const std::uint32_t segment = packet_bytes - std::min(packet_bytes, header_bytes());
    m_tcb->m_segmentSize = std::max(segment, min_segment_bytes);
}

void PodTcpSocket::shrink_segment_size() {
    const std::uint32_t before = m_tcb->m_segmentSize;
    adopt_segment_size();
    const std::uint32_t now = m_tcb->m_segmentSize;
    if (now >= before) {
        m_tcb->m_segmentSize = before;  // a larger MTU helps new connections only
        return;
    }
    // Linux counts the window in packets, so it shrinks with them.
    m_tcb->m_cWnd = std::max(m_tcb->m_cWnd.Get() / before, 1U) * now;
    acked_remainder_ = 0;
    if (scoreboard_.mark_larger_lost(now) == 0) return;
    // As tcp_simple_retransmit(): repair without a reduction, nothing was congested.
    recovery_point_ = scoreboard_.next();
    enter(ns3::TcpSocketState::CA_LOSS);
}

void PodTcpSocket::icmp_error(ns3::Ipv4Address, std::uint8_t, std::uint8_t type, std::uint8_t code,
                              std::uint32_t) {
    if (type != Icmpv4Header::destination_unreachable) return;
    if (code == Icmpv4Header::fragmentation_needed) send_pending();
    // Other codes are soft errors (RFC 1122 §4.2.3.9): the timers decide.
}

// --- receiving -----------------------------------------------------------------------------------

void PodTcpSocket::DoForwardUp(ns3::Ptr<ns3::Packet> packet, const ns3::Address& from,
                               const ns3::Address& to) {
    const ns3::Ptr<PodTcpSocket> self(this);  // a reset drops the end point's reference
    read_mss_option(*packet);
    ns3::TcpSocketBase::DoForwardUp(packet, from, to);
    if (m_rWnd.Get() != 0) m_persistTimeout = m_minRto;
    send_pending();
}

/// Only the handshake is timed here; data by the scoreboard, finer than time stamps' milliseconds.
void PodTcpSocket::EstimateRtt(const ns3::TcpHeader&) {
    if (m_history.empty()) return;
    const ns3::RttHistory& first = m_history.front();
    if (!first.retx) take_rtt_sample((ns3::Simulator::Now() - first.time).GetNanoSeconds());
    m_history.clear();
}

void PodTcpSocket::ReceivedData(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader& header) {
    // As __tcp_ack_snd_check(): more than one segment is acknowledged at once.
    const bool aggregate = packet->GetSize() >= 2 * m_tcb->m_segmentSize;
    if (aggregate || quick_acks_ > 0) m_delAckCount = m_delAckMaxCount;
    if (quick_acks_ > 0) --quick_acks_;
    ns3::TcpSocketBase::ReceivedData(packet, header);
}

std::uint16_t PodTcpSocket::AdvertisedWindowSize(bool scale) const {
    const auto& buffer = *m_tcb->m_rxBuffer;
    if (!buffer.GotFin()) advertised_edge_ = buffer.MaxRxSequence();
    return ns3::TcpSocketBase::AdvertisedWindowSize(scale);
}

ns3::Ptr<ns3::Packet> PodTcpSocket::Recv(std::uint32_t max_bytes, std::uint32_t flags) {
    auto data = ns3::TcpSocketBase::Recv(max_bytes, flags);
    const auto& buffer = *m_tcb->m_rxBuffer;
    if (data == nullptr || !m_connected || buffer.GotFin()) return data;
    // As tcp_cleanup_rbuf(): tell the peer when its window has at least doubled.
    const std::int64_t known = advertised_edge_ - buffer.NextRxSequence();
    const std::int64_t open = buffer.MaxRxSequence() - buffer.NextRxSequence();
    const bool worth_it = open >= std::max<std::int64_t>(2 * known, m_tcb->m_segmentSize);
    if (worth_it && 2 * known <= buffer.MaxBufferSize()) SendEmptyPacket(ns3::TcpHeader::ACK);
    return data;
}

// --- closing -------------------------------------------------------------------------------------

int PodTcpSocket::Close() {
    close_requested_ = true;
    if (may_send_data() && queued_end_ > scoreboard_.una()) return 0;  // close_when_done() will
    if (may_send_data()) fin_sent_ = true;
    return ns3::TcpSocketBase::Close();
}

void PodTcpSocket::abandon() {
    m_closeNotified = true;
    m_state = CLOSED;
    alarm_->cancel();
    DeallocateEndPoint();
}

void PodTcpSocket::close_when_done() {
    if (!close_requested_ || fin_sent_ || queued_end_ > scoreboard_.una()) return;
    fin_sent_ = true;
    DoClose();
}

}  // namespace overlab::sim
