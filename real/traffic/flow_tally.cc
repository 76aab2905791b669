#include "real/traffic/flow_tally.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace overlab::real {
namespace {

constexpr std::uint64_t mark = 0x6f766c6162543031;  // first and last word of an encoded tally
constexpr std::size_t most_elements = 1 << 24;

/// Every field of a tally, for whoever writes or reads them.
template <typename Archive, typename Tally>
void fields(Archive& archive, Tally& tally) {
    archive(tally.sent, tally.received, tally.lost, tally.bytes, tally.early_bytes,
            tally.retransmits, tally.mss_bytes, tally.first_ns, tally.last_ns, tally.jitter_ns,
            tally.worst_late_ns, tally.latency, tally.series, tally.gaps, tally.gap_count,
            tally.longest_gap, tally.remarks);
}

/// Plain values as they lie in memory: both ends are one program on one machine.
class Writer {
   public:
    template <typename... T>
    void operator()(const T&... values) {
        (put(values), ...);
    }
    std::string text;

   private:
    template <typename T>
    void put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        text.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    template <typename T>
    void put(const std::vector<T>& values) {
        put(std::uint64_t{values.size()});
        for (const T& value : values) put(value);
    }
    void put(const std::string& value) {
        put(std::uint64_t{value.size()});
        text += value;
    }
};

class Reader {
   public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}
    template <typename... T>
    void operator()(T&... values) {
        (get(values), ...);
    }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool empty() const { return rest_.empty(); }

   private:
    template <typename T>
    void get(T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (rest_.size() < sizeof value) {
            good_ = false;
            return;
        }
        rest_.copy(reinterpret_cast<char*>(&value), sizeof value);
        rest_.remove_prefix(sizeof value);
    }
    template <typename T>
    void get(std::vector<T>& values) {
        const std::uint64_t count = length();
        for (std::uint64_t i = 0; i < count && good_; ++i) get(values.emplace_back());
    }
    void get(std::string& value) {
        const std::uint64_t count = length();
        value = rest_.substr(0, count);
        rest_.remove_prefix(value.size());
    }
    std::uint64_t length() {
        std::uint64_t count = 0;
        get(count);
        if (count > most_elements || count > rest_.size()) good_ = false;
        return good_ ? count : 0;
    }

    std::string_view rest_;
    bool good_ = true;
};

}  // namespace

void FlowTally::merge(const FlowTally& other) {
    Deliveries::merge(other);
    sent += other.sent;
    received += other.received;
    lost += other.lost;
    retransmits += other.retransmits;
    if (other.mss_bytes != 0) mss_bytes = other.mss_bytes;
    worst_late_ns = std::max(worst_late_ns, other.worst_late_ns);
    if (other.jitter_ns != 0) jitter_ns = other.jitter_ns;
    if (other.latency.count != 0) latency = other.latency;
    if (other.gap_count > 0) {
        gaps = other.gaps;
        gap_count = other.gap_count;
        longest_gap = other.longest_gap;
    }
    remarks.insert(remarks.end(), other.remarks.begin(), other.remarks.end());
}

void FlowTally::fill(FlowReport& report, const MeterSpan& span, bool complete) const {
    Deliveries::fill(report, span, complete);
    report.packets_sent = sent;
    report.packets_received = received;
    report.packets_lost = lost;
    report.retransmits = retransmits;
    report.latency = latency;
    report.jitter_ns = jitter_ns;
    report.mss_bytes = mss_bytes;
}

std::string encode(const FlowTally& tally) {
    Writer writer;
    writer(mark);
    fields(writer, tally);
    writer(mark);
    return std::move(writer.text);
}

std::optional<FlowTally> decode(std::string_view bytes) {
    Reader reader(bytes);
    FlowTally tally;
    std::uint64_t head = 0, tail = 0;
    reader(head);
    fields(reader, tally);
    reader(tail);
    if (!reader.good() || !reader.empty() || head != mark || tail != mark) return std::nullopt;
    return tally;
}

void Gaps::probe(std::int64_t sent_ns, bool lost) {
    if (lost) {
        if (!open_) open_ = Gap{.from_ns = sent_ns, .lost = 0};
        ++open_->lost;
        return;
    }
    if (!open_) return;
    open_->to_ns = sent_ns;
    close(*open_);
    open_.reset();
}

void Gaps::close(const Gap& gap) {
    ++count_;
    if (gaps_.size() < most) gaps_.push_back(gap);
    // One without an end is the longest only where there is no other: its length is not known.
    const bool longer = gap.to_ns - gap.from_ns > longest_.to_ns - longest_.from_ns;
    if (count_ == 1 || (gap.to_ns >= 0 && longer)) longest_ = gap;
}

void Gaps::report(FlowTally& tally) const {
    Gaps all = *this;
    if (open_) all.close(*open_);
    tally.gaps = std::move(all.gaps_);
    tally.gap_count = all.count_;
    tally.longest_gap = all.longest_;
}

}  // namespace overlab::real
