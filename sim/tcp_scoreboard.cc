#include "sim/tcp_scoreboard.h"

#include <algorithm>

#include "models/base/check.h"

namespace overlab::sim {

void TcpScoreboard::sent(std::uint64_t bytes, std::uint32_t segment_bytes, std::int64_t now_ns) {
    CHECK(bytes > 0);
    ranges_.push_back(Range{next_, next_ + bytes, now_ns, segment_bytes, Fate::in_flight, false});
    next_ += bytes;
}

void TcpScoreboard::sent_again(ByteRange range, std::uint32_t segment_bytes, std::int64_t now_ns) {
    CHECK(range.begin >= una_ && range.begin < range.end && range.end <= next_);
    cut_at(range.end);
    for (auto it = cut_at(range.begin); it != ranges_.end() && it->begin < range.end; ++it) {
        CHECK(it->fate != Fate::delivered);
        if (it->fate == Fate::lost) lost_ -= it->bytes();
        it->fate = Fate::in_flight;
        it->again = true;
        it->sent_ns = now_ns;
        it->segment_bytes = segment_bytes;
    }
}

std::optional<ByteRange> TcpScoreboard::next_lost() const {
    if (lost_ == 0) return std::nullopt;
    const auto first = std::find_if(ranges_.begin(), ranges_.end(),
                                    [](const Range& r) { return r.fate == Fate::lost; });
    CHECK(first != ranges_.end());
    auto last = first;
    while (last + 1 != ranges_.end() && (last + 1)->fate == Fate::lost) ++last;
    return ByteRange{first->begin, last->end};
}

void TcpScoreboard::acknowledge(std::uint64_t offset, std::int64_t now_ns, Delivered& delivered) {
    CHECK(offset <= next_);
    if (offset <= una_) return;
    delivered.acked_bytes += offset - una_;
    while (!ranges_.empty() && ranges_.front().begin < offset) {
        Range& front = ranges_.front();
        Range part = front;
        part.end = std::min(front.end, offset);
        if (part.fate == Fate::delivered) {
            sacked_ -= part.bytes();
        } else {
            if (part.fate == Fate::lost) lost_ -= part.bytes();
            note_delivery(part, now_ns, delivered);
        }
        if (front.end > offset) {
            front.begin = offset;
            break;
        }
        ranges_.pop_front();
    }
    una_ = offset;
    highest_sacked_ = std::max(highest_sacked_, una_);
}

void TcpScoreboard::sacked(ByteRange block, std::int64_t now_ns, Delivered& delivered) {
    block.begin = std::max(block.begin, una_);
    block.end = std::min(block.end, next_);
    if (block.begin >= block.end) return;
    cut_at(block.end);
    for (auto it = cut_at(block.begin); it != ranges_.end() && it->begin < block.end; ++it) {
        if (it->fate == Fate::delivered) continue;
        if (it->fate == Fate::lost) lost_ -= it->bytes();
        it->fate = Fate::delivered;
        sacked_ += it->bytes();
        note_delivery(*it, now_ns, delivered);
    }
    highest_sacked_ = std::max(highest_sacked_, block.end);
}

// RFC 8985 §6.2 steps 1 to 3.
void TcpScoreboard::note_delivery(const Range& range, std::int64_t now_ns, Delivered& delivered) {
    delivered.newly_bytes += range.bytes();
    if (!range.again && range.end < highest_sacked_) reordering_seen_ = true;
    const std::int64_t rtt_ns = now_ns - range.sent_ns;
    if (range.again) {
        // Which copy arrived? Sooner than any round trip it cannot be the second.
        if (rtt_ns < min_rtt_ns_) return;
    } else {
        min_rtt_ns_ = min_rtt_ns_ == 0 ? rtt_ns : std::min(min_rtt_ns_, rtt_ns);
        delivered.rtt_ns = delivered.rtt_ns < 0 ? rtt_ns : std::min(delivered.rtt_ns, rtt_ns);
    }
    if (range.sent_ns < latest_sent_ns_) return;
    if (range.sent_ns == latest_sent_ns_ && range.end <= latest_end_) return;
    latest_sent_ns_ = range.sent_ns;
    latest_end_ = range.end;
    latest_rtt_ns_ = rtt_ns;
}

bool TcpScoreboard::sent_before_latest_delivery(const Range& range) const {
    if (range.sent_ns != latest_sent_ns_) return range.sent_ns < latest_sent_ns_;
    return range.end < latest_end_;
}

// As tcp_rack_reo_wnd(): no patience once three segments overtook, unless reordering is known.
std::int64_t TcpScoreboard::reorder_window_ns(const RackContext& context) const {
    const bool three_overtook = sacked_ >= 3ULL * context.segment_bytes;
    if (!reordering_seen_ && (context.in_recovery || three_overtook)) return 0;
    return std::min(context.min_rtt_ns / 4, context.smoothed_rtt_ns / 8);
}

TcpScoreboard::Losses TcpScoreboard::detect_losses(const RackContext& context) {
    Losses losses;
    if (latest_sent_ns_ < 0 || in_flight() == 0) return losses;
    const std::int64_t patience_ns = latest_rtt_ns_ + reorder_window_ns(context);
    for (Range& range : ranges_) {
        if (range.fate != Fate::in_flight) continue;
        if (!sent_before_latest_delivery(range)) {
            if (!range.again) break;  // what follows and was sent once was sent later still
            continue;
        }
        const std::int64_t wait_ns = range.sent_ns + patience_ns - context.now_ns;
        if (wait_ns <= 0) {
            losses.bytes += range.bytes();
            lose(range);
        } else {
            losses.wait_ns = std::max(losses.wait_ns, wait_ns);
        }
    }
    return losses;
}

void TcpScoreboard::mark_all_lost() {
    for (Range& range : ranges_) {
        if (range.fate == Fate::in_flight) lose(range);
    }
}

std::uint64_t TcpScoreboard::mark_larger_lost(std::uint32_t segment_bytes) {
    std::uint64_t bytes = 0;
    for (Range& range : ranges_) {
        if (range.fate != Fate::in_flight || range.segment_bytes <= segment_bytes) continue;
        if (range.bytes() <= segment_bytes) continue;  // one short packet: it fitted
        bytes += range.bytes();
        lose(range);
    }
    return bytes;
}

void TcpScoreboard::lose(Range& range) {
    range.fate = Fate::lost;
    lost_ += range.bytes();
}

TcpScoreboard::Ranges::iterator TcpScoreboard::find(std::uint64_t offset) {
    return std::partition_point(ranges_.begin(), ranges_.end(),
                                [&](const Range& r) { return r.end <= offset; });
}

/// Makes a range begin at `offset` and returns it; end() when offset is next().
TcpScoreboard::Ranges::iterator TcpScoreboard::cut_at(std::uint64_t offset) {
    const auto it = find(offset);
    if (it == ranges_.end() || it->begin == offset) return it;
    Range tail = *it;
    it->end = offset;
    tail.begin = offset;
    return ranges_.insert(it + 1, tail);
}

}  // namespace overlab::sim
