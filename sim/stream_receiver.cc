// The receiving half of StreamConnection.
#include <algorithm>
#include <utility>

#include "sim/stream_connection.h"

namespace overlab::sim {
namespace {

constexpr std::int64_t delayed_acknowledgement_ns = 40'000'000;  ///< Linux's TCP_DELACK_MIN

/// The offset nearest to `near` that has the low 32 bits `wire - base`; 0 if that is negative.
std::uint64_t unwrap(std::uint32_t wire, std::uint32_t base, std::uint64_t near) {
    const auto step = static_cast<std::int32_t>(wire - base - static_cast<std::uint32_t>(near));
    const auto offset = static_cast<std::int64_t>(near) + step;
    return offset < 0 ? 0 : static_cast<std::uint64_t>(offset);
}

}  // namespace

std::uint64_t StreamConnection::peer_offset(std::uint32_t sequence) const {
    return unwrap(sequence, peer_isn_, received_);
}

std::uint64_t StreamConnection::own_offset(std::uint32_t acknowledgement) const {
    return unwrap(acknowledgement, isn_, una_);
}

void StreamConnection::receive(const TcpSegment& segment, const Frame& frame) {
    if (segment.has(TcpHeader::rst)) {
        on_reset(segment);
        return;
    }
    if (segment.has(TcpHeader::syn)) {
        if (!accept_syn(segment)) return;
    } else if (received_ == 0) {
        return;  // nothing can be placed before the peer's SYN
    }
    heard_ns_ = now();
    probes_ = 0;
    const std::uint64_t offset = peer_offset(segment.header.sequence);
    // RFC 7323 §4.3: echo the stamp of the segment that the next acknowledgement answers.
    if (offset <= acknowledged_ || segment.has(TcpHeader::syn)) peer_stamp_ = segment.timestamp;
    if (segment.has(TcpHeader::ack)) on_acknowledgement(segment);
    if (una_ > 0 && (state_ == State::syn_sent || state_ == State::syn_received)) opened();
    if (state_ != State::stopped && !segment.has(TcpHeader::syn)) on_data(segment, frame, offset);
    pump();
    report_drained();
    finish_if_done();
}

bool StreamConnection::accept_syn(const TcpSegment& segment) {
    const bool answers = segment.has(TcpHeader::ack);
    if (received_ > 0) {  // our answer was lost
        if (state_ == State::syn_received) {
            rtx_ = 0;
            rtx_end_ = 1;
            pump();
        } else {
            send_acknowledgement();
        }
        return false;
    }
    if (answers != (state_ == State::syn_sent)) return false;
    if (answers && own_offset(segment.header.acknowledgement) != 1) return false;
    peer_isn_ = segment.header.sequence;
    received_ = 1;
    if (segment.mss != 0) peer_mss_ = segment.mss;
    peer_scale_ = std::min<std::uint8_t>(segment.window_scale, 14);  // RFC 7323 §2.3
    peer_window_ = segment.header.window;
    return true;
}

void StreamConnection::opened() {
    const bool answer = state_ == State::syn_sent;
    state_ = State::open;
    if (answer) {
        send_acknowledgement();
    } else {
        reported_ = true;
    }
    host_.handler_.stream_opened(id_);
}

void StreamConnection::on_reset(const TcpSegment& segment) {
    if (state_ == State::syn_sent) {
        const bool ours =
            segment.has(TcpHeader::ack) && own_offset(segment.header.acknowledgement) == 1;
        if (ours) end(StreamEnd::reset);
        return;
    }
    const std::uint64_t offset = peer_offset(segment.header.sequence);
    const std::uint64_t window = host_.options_.window_bytes;
    if (offset + window < received_ || offset > received_ + window) return;
    end(StreamEnd::reset);
}

void StreamConnection::replaced() { end(StreamEnd::reset); }

void StreamConnection::on_data(const TcpSegment& segment, const Frame& frame,
                               std::uint64_t offset) {
    const std::uint64_t end = offset + frame.payload_bytes;
    const bool fin = segment.has(TcpHeader::fin);
    if (frame.payload_bytes == 0 && !fin) {
        if (offset < received_) send_acknowledgement();  // a keepalive probe
        return;
    }
    if (end + (fin ? 1 : 0) <= received_ || end > received_ + host_.options_.window_bytes) {
        send_acknowledgement();
        return;
    }
    if (fin) fin_at_ = end;
    if (frame.cargo != nullptr) {
        keep_pieces(*static_cast<const Chunk*>(frame.cargo.get()), {offset, end});
    }
    const bool hole = offset > received_ || !beyond_.empty();
    if (offset > received_) {
        beyond_.add({offset, end});
        newest_ = offset;
    } else {
        received_ = beyond_.skip(std::max(received_, end));
        beyond_.drop_below(received_);
        if (fin_at_ != 0 && received_ == fin_at_) ++received_;
    }
    unacked_received_ += frame.payload_bytes;
    acknowledge(hole || fin_at_ != 0);
    deliver();
    if (fin_at_ != 0 && received_ > fin_at_ && state_ == State::open) on_fin();
}

/// At once when something is missing or came late (RFC 5681 §4.2), else with the next data of ours,
/// for every second full segment, or after the delay.
void StreamConnection::acknowledge(bool at_once) {
    if (at_once || unacked_received_ >= 2 * segment_bytes()) {
        send_acknowledgement();
    } else if (acknowledge_ns_ == never) {
        acknowledge_ns_ = now() + delayed_acknowledgement_ns;
    }
}

void StreamConnection::write_sacks(TcpSegment& segment) const {
    const auto wire = [this](std::uint64_t offset) {
        return peer_isn_ + static_cast<std::uint32_t>(offset);
    };
    const auto add = [&](ByteRange range) {
        segment.sacks[segment.sack_count++] = {wire(range.begin), wire(range.end)};
    };
    const auto holds_newest = [this](ByteRange range) {
        return range.begin <= newest_ && newest_ < range.end;
    };
    // RFC 2018 §4: the block with the newest data comes first.
    for (const ByteRange range : beyond_.all()) {
        if (holds_newest(range)) add(range);
    }
    for (const ByteRange range : beyond_.all()) {
        if (segment.sack_count == TcpSegment::max_sack_blocks) return;
        if (!holds_newest(range)) add(range);
    }
}

void StreamConnection::keep_pieces(const Chunk& chunk, ByteRange arrived) {
    if (chunk.first.end != 0) keep_piece(chunk.first, arrived);
    for (const Piece& piece : chunk.more) keep_piece(piece, arrived);
}

/// Part of an aggregate may have been lost, and a range may come twice: what counts is whether the
/// message's last byte arrived now, and is new.
void StreamConnection::keep_piece(const Piece& piece, ByteRange arrived) {
    if (piece.end <= arrived.begin || piece.end > arrived.end || piece.end <= received_) return;
    const auto before = [](const Piece& a, std::uint64_t end) { return a.end < end; };
    const auto at = std::lower_bound(pending_.begin(), pending_.end(), piece.end, before);
    if (at == pending_.end() || at->end != piece.end) pending_.insert(at, piece);
}

void StreamConnection::deliver() {
    std::size_t count = 0;
    while (state_ == State::open && count < pending_.size() && pending_[count].end <= received_) {
        const StreamMessage message = std::move(pending_[count++].message);
        ++host_.counters_.messages_received;
        host_.handler_.stream_message(id_, message);
    }
    if (count == pending_.size()) {
        pending_ = {};
    } else {
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    }
}

void StreamConnection::on_fin() {
    const bool report = reported_;
    finish();
    if (report) host_.handler_.stream_ended(id_, StreamEnd::closed);
}

void StreamConnection::report_drained() {
    if (!was_full_ || state_ != State::open) return;
    if (unacknowledged() > host_.options_.low_water) return;
    was_full_ = false;
    host_.handler_.stream_drained(id_);
}

void StreamConnection::finish_if_done() {
    const bool sent_all = fin_queued_ && una_ == end_ + 1;
    if (state_ != State::closing || !sent_all) return;
    if (fin_at_ != 0 && received_ > fin_at_) {
        stop();
        host_.forget(*this);
    } else if (retransmit_ns_ == never) {
        start_retransmission_timer();  // the peer's FIN is awaited for `patience`
    }
}

}  // namespace overlab::sim
