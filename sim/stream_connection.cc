// Sending, acknowledgements and time; stream_receiver.cc has the receiving half.
#include "sim/stream_connection.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "models/base/check.h"
#include "models/base/flat_hash.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t max_aggregate_segments = 44;   ///< 64 KB at MTU 1500, as TSO
constexpr std::uint32_t initial_window_segments = 10;  ///< RFC 6928
constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t min_retransmission_ns = 200 * millisecond;        ///< Linux's TCP_RTO_MIN
constexpr std::int64_t initial_retransmission_ns = 1'000 * millisecond;  ///< RFC 6298 §2
constexpr std::int64_t max_retransmission_ns = 120'000 * millisecond;
constexpr std::int64_t probe_interval_ns = 1'000 * millisecond;
constexpr std::uint16_t first_path_mss = 1024, last_path_mss = 512;  ///< Linux's tcp_base_mss, half
constexpr std::uint8_t own_scale = 7;

}  // namespace

StreamConnection::StreamConnection(StreamHost& host, StreamHost::Key key, StreamId id)
    : host_(host),
      key_(key),
      state_(key.active ? State::syn_sent : State::syn_received),
      reported_(key.active),
      peer_mss_(static_cast<std::uint16_t>(host.sockets_.max_segment_bytes() - TcpHeader::bytes)),
      id_(id),
      heard_ns_(now()),
      progress_ns_(now()) {
    // RFC 6528: a secret-looking function of the connection, moved on by a clock.
    const std::uint64_t local = host.sockets_.address().bits;
    isn_ = static_cast<std::uint32_t>(mix64(key.packed() ^ mix64(local + id.value)) +
                                      static_cast<std::uint64_t>(now() / 4'000));
    congestion_window_ = initial_window_segments * segment_bytes();
}

StreamConnection::~StreamConnection() { host_.runtime_.cancel(timer_); }

void StreamConnection::start() { pump(); }

void StreamConnection::send(StreamMessage message) {
    end_ += message.bytes;
    queue_.push_back({end_, std::move(message)});
    if (unacknowledged() > host_.options_.low_water) was_full_ = true;
    pump();
}

void StreamConnection::finish() {
    if (state_ == State::closing || state_ == State::stopped) return;
    if (state_ == State::syn_sent || state_ == State::syn_received) {
        send_reset();
        stop();
        host_.forget(*this);
        return;
    }
    state_ = State::closing;
    reported_ = false;
    fin_queued_ = true;
    progress_ns_ = now();
    pump();
}

void StreamConnection::stop() {
    state_ = State::stopped;
    host_.runtime_.cancel(timer_);
    timer_ = {};
    timer_ns_ = never;
}

void StreamConnection::end(StreamEnd why) {
    const bool report = reported_;
    stop();
    host_.forget(*this);
    if (report) host_.handler_.stream_ended(id_, why);
}

std::uint32_t StreamConnection::segment_bytes() const {
    const std::uint32_t own = host_.sockets_.max_segment_bytes();
    CHECK(own > TcpSegment::header_bytes);
    const std::uint32_t stamps = TcpSegment::header_bytes - TcpHeader::bytes;
    const std::uint32_t peers = std::max<std::uint32_t>(peer_mss_, last_path_mss) - stamps;
    return std::min({own - static_cast<std::uint32_t>(TcpSegment::header_bytes), peers,
                     std::uint32_t{path_mss_}});
}

void StreamConnection::pump() {
    if (state_ == State::stopped) return;
    const std::uint64_t window =
        std::min({congestion_window_, peer_window_, host_.options_.window_bytes});
    while (has_to_send() && !host_.throttle(*this)) {
        if (!send_again(window) && !send_new(window)) break;
    }
    arm();
}

void StreamConnection::take_turn() {
    waits_for_turn_ = false;
    pump();
}

/// Something is queued or lost, whether or not the window lets it go.
bool StreamConnection::has_to_send() const {
    return rtx_ < rtx_end_ || max_ < end_ + (fin_queued_ ? 1 : 0);
}

bool StreamConnection::send_again(std::uint64_t window) {
    rtx_ = std::max(rtx_, una_);
    if (rtx_ < rtx_end_) rtx_ = sacked_.skip(rtx_);
    if (rtx_ >= rtx_end_) return false;
    std::uint64_t stop = sacked_.next_begin(rtx_, rtx_end_);
    if (rtx_ == 0) stop = 1;
    if (rtx_ < end_) stop = std::min(stop, end_);  // the FIN goes alone
    const std::uint64_t ahead = rtx_ - una_;
    const std::uint64_t room = window > ahead ? window - ahead : 0;
    std::uint64_t size =
        std::min({stop - rtx_, room, std::uint64_t{segment_bytes()} * max_aggregate_segments});
    if (ahead == 0) size = std::max(size, std::min<std::uint64_t>(stop - rtx_, segment_bytes()));
    if (size == 0) return false;
    host_.counters_.bytes_retransmitted += size;
    const ByteRange range{rtx_, rtx_ + size};
    rtx_ = range.end;
    send_range(range);
    return true;
}

bool StreamConnection::send_new(std::uint64_t window) {
    const std::uint64_t limit = end_ + (fin_queued_ ? 1 : 0);
    const bool handshake = una_ == 0;
    if (max_ >= limit || (handshake && max_ > 0)) return false;
    if (max_ == 0 && state_ == State::syn_received && received_ == 0) return false;
    const std::uint64_t flight = max_ - una_;
    const std::uint64_t room = window > flight ? window - flight : 0;
    std::uint64_t available = max_ < end_ ? end_ - max_ : 1;
    if (max_ == 0) available = 1;
    const std::uint64_t size =
        std::min({available, room, std::uint64_t{segment_bytes()} * max_aggregate_segments});
    // Silly window avoidance (RFC 9293 §3.8.6.2.1): a fragment waits until more fits.
    if (size == 0 || (size < available && size < segment_bytes() && flight > 0)) return false;
    if (flight == 0) progress_ns_ = now();
    const ByteRange range{max_, max_ + size};
    max_ = range.end;
    send_range(range);
    return true;
}

void StreamConnection::send_range(ByteRange range) {
    auto frame = std::make_unique<Frame>();
    std::uint8_t flags = TcpHeader::ack;
    if (range.begin == 0) {
        flags = state_ == State::syn_sent ? TcpHeader::syn : TcpHeader::syn | TcpHeader::ack;
    } else if (range.begin == end_) {
        flags |= TcpHeader::fin;
    } else {
        if (range.end == end_) flags |= TcpHeader::psh;
        const std::uint32_t mss = segment_bytes();
        frame->payload_bytes = static_cast<std::uint32_t>(range.end - range.begin);
        const std::uint32_t segments = (frame->payload_bytes + mss - 1) / mss;
        frame->segments = static_cast<std::uint16_t>(segments);
        if (segments > 1) frame->segment_payload = static_cast<std::uint16_t>(mss);
        const std::uint64_t first_end = std::min(range.end, range.begin + mss);
        if (large_end_ == 0 && first_end - range.begin > first_path_mss) large_end_ = first_end;
        frame->cargo = chunk_of(range);
        host_.counters_.bytes_sent += frame->payload_bytes;
    }
    if (retransmit_ns_ == never) start_retransmission_timer();
    transmit(range.begin, flags, std::move(frame));
}

std::shared_ptr<const StreamConnection::Chunk> StreamConnection::chunk_of(ByteRange range) const {
    const auto begin = queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_);
    auto piece = std::upper_bound(
        begin, queue_.end(), range.begin,
        [](std::uint64_t offset, const Piece& candidate) { return offset < candidate.end; });
    auto chunk = std::make_shared<Chunk>();
    for (; piece != queue_.end() && piece->end <= range.end; ++piece) {
        if (chunk->first.end == 0) {
            chunk->first = *piece;
        } else {
            chunk->more.push_back(*piece);
        }
    }
    return chunk;
}

void StreamConnection::send_acknowledgement() {
    transmit(max_, TcpHeader::ack, std::make_unique<Frame>());
}

/// As tcp_xmit_probe_skb(): an old sequence number makes the peer answer.
void StreamConnection::send_probe() {
    transmit(max_ - 1, TcpHeader::ack, std::make_unique<Frame>());
}

void StreamConnection::send_reset() {
    if (state_ == State::stopped) return;
    if (state_ == State::syn_received && received_ == 0) return;
    const std::uint8_t flags =
        state_ == State::syn_sent ? TcpHeader::rst : TcpHeader::rst | TcpHeader::ack;
    transmit(max_, flags, std::make_unique<Frame>());
}

void StreamConnection::transmit(std::uint64_t offset, std::uint8_t flags, FramePtr frame) {
    TcpSegment segment;
    segment.header.source_port = key_.local_port;
    segment.header.destination_port = key_.remote.port;
    segment.header.sequence = isn_ + static_cast<std::uint32_t>(offset);
    segment.header.flags = flags;
    const std::uint32_t window = host_.options_.window_bytes;
    segment.header.window = static_cast<std::uint16_t>(std::min(window, 0xffffU));
    segment.timestamp = host_.timestamp();
    if ((flags & TcpHeader::ack) != 0) {
        segment.header.acknowledgement = peer_isn_ + static_cast<std::uint32_t>(received_);
        segment.timestamp_echo = peer_stamp_;
        acknowledged_ = received_;
        acknowledge_ns_ = never;
        unacked_received_ = 0;
    }
    if ((flags & TcpHeader::syn) != 0) {
        segment.mss =
            static_cast<std::uint16_t>(host_.sockets_.max_segment_bytes() - TcpHeader::bytes);
        segment.window_scale = own_scale;
    } else {
        segment.header.window = static_cast<std::uint16_t>(window >> own_scale);
        if (flags == TcpHeader::ack && frame->payload_bytes == 0) write_sacks(segment);
    }
    segment.prepend_to(*frame);
    host_.transmit(std::move(frame), key_);
}

void StreamConnection::on_acknowledgement(const TcpSegment& segment) {
    const std::uint64_t acknowledged = own_offset(segment.header.acknowledgement);
    if (acknowledged > max_ || acknowledged < una_) return;
    const bool syn = segment.has(TcpHeader::syn);
    peer_window_ = std::uint32_t{segment.header.window} << (syn ? 0 : peer_scale_);
    if (acknowledged > una_) {
        if (segment.timestamp_echo != 0) {
            measure(host_.timestamp() - segment.timestamp_echo);
        }
        advance(acknowledged);
    }
    on_sacks(segment);
}

void StreamConnection::advance(std::uint64_t acknowledged) {
    const auto fresh = static_cast<std::uint32_t>(acknowledged - una_);
    una_ = acknowledged;
    drop_acknowledged();
    sacked_.drop_below(una_);
    back_off_ = 0;
    progress_ns_ = now();
    const std::uint32_t mss = segment_bytes();
    const std::uint64_t growth = congestion_window_ < slow_start_end_
                                     ? fresh
                                     : std::max(1ULL, 1ULL * mss * fresh / congestion_window_);
    congestion_window_ = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(host_.options_.window_bytes, congestion_window_ + growth));
    retransmit_ns_ = never;
    if (outstanding()) start_retransmission_timer();
}

void StreamConnection::drop_acknowledged() {
    while (queue_head_ < queue_.size() && queue_[queue_head_].end <= una_) {
        queue_[queue_head_++].message = {};
    }
    if (queue_head_ == queue_.size()) {
        queue_ = {};
        queue_head_ = 0;
    } else if (queue_head_ >= 64 && std::size_t{queue_head_} * 2 >= queue_.size()) {
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_));
        queue_head_ = 0;
    }
}

void StreamConnection::on_sacks(const TcpSegment& segment) {
    for (const SackBlock block : segment.sack_blocks()) {
        const std::uint64_t begin = std::max(own_offset(block.begin), una_);
        const std::uint64_t end = own_offset(block.end);
        if (end <= max_) sacked_.add({begin, end});
    }
    if (sacked_.empty()) return;
    if (una_ >= recovery_end_) {  // one reduction for each window in which something was lost
        const auto flight = static_cast<std::uint32_t>(max_ - una_);
        slow_start_end_ = std::max(flight / 2, 2 * segment_bytes());
        congestion_window_ = slow_start_end_;
        recovery_end_ = max_;
        rtx_ = una_;
    }
    rtx_end_ = std::max(rtx_end_, sacked_.highest());
}

/// RFC 6298 §2 in integers, after Jacobson. Virtual links may be faster than the stamps'
/// millisecond.
void StreamConnection::measure(std::uint32_t round_trip_ms) {
    constexpr std::uint32_t longest_ms = 60'000;
    const auto sample =
        static_cast<std::int32_t>(std::clamp<std::uint32_t>(round_trip_ms, 1, longest_ms));
    if (smoothed_ == 0) {
        smoothed_ = sample * 8;
        deviation_ = sample * 2;
        return;
    }
    const std::int32_t error = sample - smoothed_ / 8;
    smoothed_ += error;
    deviation_ += std::abs(error) - deviation_ / 4;
}

std::int64_t StreamConnection::retransmission_ns() const {
    const std::int64_t measured = (smoothed_ / 8 + deviation_) * millisecond;
    const std::int64_t base =
        smoothed_ == 0 ? initial_retransmission_ns : std::max(measured, min_retransmission_ns);
    return std::min(base << std::min<unsigned>(back_off_, 16), max_retransmission_ns);
}

void StreamConnection::start_retransmission_timer() {
    const std::int64_t gives_up = progress_ns_ + host_.options_.patience.ns;
    retransmit_ns_ = std::max(now(), std::min(now() + retransmission_ns(), gives_up));
}

/// One timer for everything, moved forward only: most deadlines move on before they come.
void StreamConnection::arm() {
    if (state_ == State::stopped) return;
    const std::int64_t wanted = std::min({retransmit_ns_, acknowledge_ns_, silence_ends()});
    if (wanted >= timer_ns_) return;
    host_.runtime_.cancel(timer_);
    timer_ns_ = wanted;
    timer_ = host_.runtime_.call_at({wanted}, [this] { on_timer(); });
}

void StreamConnection::on_timer() {
    timer_ = {};
    timer_ns_ = never;
    const std::int64_t time = now();
    if (acknowledge_ns_ <= time) send_acknowledgement();
    if (retransmit_ns_ <= time) {
        on_retransmission_time();
    } else if (silence_ends() <= time) {
        on_silence();
    }
    arm();
}

void StreamConnection::on_retransmission_time() {
    if (now() - progress_ns_ >= host_.options_.patience.ns) {
        send_reset();
        end(StreamEnd::timed_out);
        return;
    }
    ++back_off_;
    if (una_ < large_end_ && back_off_ >= 2) {
        path_mss_ = std::min(path_mss_, back_off_ == 2 ? first_path_mss : last_path_mss);
    }
    const auto flight = static_cast<std::uint32_t>(max_ - una_);
    slow_start_end_ = std::max(flight / 2, 2 * segment_bytes());
    congestion_window_ = segment_bytes();
    rtx_ = una_;
    rtx_end_ = recovery_end_ = max_;
    start_retransmission_timer();
    pump();
}

/// The side that connected probes first, so that one probe and its answer serve both.
std::int64_t StreamConnection::quiet_ns() const {
    return host_.options_.keepalive.ns + (key_.active ? 0 : host_.options_.patience.ns);
}

std::int64_t StreamConnection::silence_ends() const {
    if (state_ != State::open || host_.options_.keepalive.ns == 0 || outstanding()) return never;
    return heard_ns_ + quiet_ns() +
           std::min(probes_ * probe_interval_ns, host_.options_.patience.ns);
}

void StreamConnection::on_silence() {
    if (now() >= heard_ns_ + quiet_ns() + host_.options_.patience.ns) {
        send_reset();
        end(StreamEnd::timed_out);
        return;
    }
    ++probes_;
    send_probe();
}

}  // namespace overlab::sim
