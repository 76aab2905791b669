// TcpScoreboard: what became of every byte a TCP sender has sent: in flight, delivered, or lost and
// to be sent again. It replaces ns3::TcpTxBuffer, for three reasons. That one drops SACK blocks
// which do not match its items exactly, so that it cannot learn which real segment of a
// super-segment was lost; it walks all items for every segment sent; and it counts duplicate
// acknowledgements only, so that a burst of losses ends in a retransmission timeout.
//
// Model: the stream's bytes [una, next) lie in ranges of equal fate. A range is cut wherever an
// acknowledgement or a retransmission ends inside it, at any byte. Losses are detected by time,
// RACK (RFC 8985 §6): a range is lost when one sent sufficiently later was delivered. That finds
// lost retransmissions too.
//
// Offsets count from the connection's first byte and do not wrap. Left out: D-SACK, and with it the
// undoing of a window reduction that proves needless.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "sim/byte_ranges.h"

namespace overlab::sim {

class TcpScoreboard {
   public:
    /// What one acknowledgement brought.
    struct Delivered {
        std::uint64_t acked_bytes = 0;  ///< una moved up by this much
        std::uint64_t newly_bytes = 0;  ///< delivered now for the first time, SACK included
        std::int64_t rtt_ns = -1;       ///< of what was sent last and never again; -1: no sample
    };
    /// What the reordering window depends on (RFC 8985 §6.2 step 4).
    struct RackContext {
        std::int64_t now_ns = 0;
        std::int64_t min_rtt_ns = 0, smoothed_rtt_ns = 0;
        bool in_recovery = false;
        std::uint32_t segment_bytes = 0;
    };
    struct Losses {
        std::uint64_t bytes = 0;   ///< found lost now
        std::int64_t wait_ns = 0;  ///< ask again after this long; 0: nothing is in doubt
    };

    [[nodiscard]] std::uint64_t una() const { return una_; }
    [[nodiscard]] std::uint64_t next() const { return next_; }
    [[nodiscard]] bool all_acked() const { return una_ == next_; }
    [[nodiscard]] std::uint64_t lost_bytes() const { return lost_; }
    [[nodiscard]] std::uint64_t sacked_bytes() const { return sacked_; }
    [[nodiscard]] std::uint64_t in_flight() const { return next_ - una_ - lost_ - sacked_; }

    /// `bytes` > 0 new bytes leave, cut into packets of `segment_bytes`.
    void sent(std::uint64_t bytes, std::uint32_t segment_bytes, std::int64_t now_ns);
    /// `range` (within one of next_lost(), or any range in flight for a probe) leaves again.
    void sent_again(ByteRange range, std::uint32_t segment_bytes, std::int64_t now_ns);

    /// The first bytes to send again.
    [[nodiscard]] std::optional<ByteRange> next_lost() const;

    /// Cumulative acknowledgement up to `offset` (<= next()); older ones change nothing.
    void acknowledge(std::uint64_t offset, std::int64_t now_ns, Delivered& delivered);
    /// Selective acknowledgement; what lies outside [una, next) is ignored.
    void sacked(ByteRange block, std::int64_t now_ns, Delivered& delivered);

    /// RACK's verdict after an acknowledgement, or after its wait.
    Losses detect_losses(const RackContext& context);
    /// A retransmission timeout: everything that is not known to have arrived is lost.
    void mark_all_lost();
    /// The path's MTU fell: whatever left in packets of more than `segment_bytes` is lost. Returns
    /// how many bytes. As tcp_simple_retransmit().
    std::uint64_t mark_larger_lost(std::uint32_t segment_bytes);

   private:
    enum class Fate : std::uint8_t { in_flight, lost, delivered };
    struct Range {
        std::uint64_t begin, end;
        std::int64_t sent_ns;
        std::uint32_t segment_bytes;
        Fate fate;
        bool again;  ///< sent more than once
        [[nodiscard]] std::uint64_t bytes() const { return end - begin; }
    };
    using Ranges = std::deque<Range>;

    [[nodiscard]] Ranges::iterator find(std::uint64_t offset);
    Ranges::iterator cut_at(std::uint64_t offset);
    void lose(Range& range);
    void note_delivery(const Range& range, std::int64_t now_ns, Delivered& delivered);
    [[nodiscard]] bool sent_before_latest_delivery(const Range& range) const;
    [[nodiscard]] std::int64_t reorder_window_ns(const RackContext& context) const;

    Ranges ranges_;  ///< ascending, without gaps, together [una_, next_)
    std::uint64_t una_ = 0, next_ = 0;
    std::uint64_t lost_ = 0, sacked_ = 0;
    std::uint64_t highest_sacked_ = 0;
    bool reordering_seen_ = false;
    // RACK.xmit_ts, RACK.end_seq, RACK.rtt: of the delivered range that was sent last.
    std::int64_t latest_sent_ns_ = -1;
    std::uint64_t latest_end_ = 0;
    std::int64_t latest_rtt_ns_ = 0;
    std::int64_t min_rtt_ns_ = 0;
};

}  // namespace overlab::sim
