// ByteRanges: disjoint [begin, end) ranges of stream offsets in ascending order: what arrived out
// of order (receiver) and what was acknowledged selectively (sender). Nearly always empty, so it is
// one vector and linear.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlab::sim {

struct ByteRange {
    std::uint64_t begin = 0, end = 0;
    friend bool operator==(ByteRange, ByteRange) = default;
};

class ByteRanges {
   public:
    [[nodiscard]] bool empty() const { return ranges_.empty(); }
    [[nodiscard]] const std::vector<ByteRange>& all() const { return ranges_; }
    [[nodiscard]] std::uint64_t highest() const { return empty() ? 0 : ranges_.back().end; }

    /// Joins what touches or overlaps. An empty range changes nothing.
    void add(ByteRange range) {
        if (range.begin >= range.end) return;
        auto first = std::find_if(ranges_.begin(), ranges_.end(),
                                  [&](ByteRange r) { return r.end >= range.begin; });
        auto last = first;
        for (; last != ranges_.end() && last->begin <= range.end; ++last) {
            range.begin = std::min(range.begin, last->begin);
            range.end = std::max(range.end, last->end);
        }
        first = ranges_.erase(first, last);
        ranges_.insert(first, range);
    }

    /// Forgets everything below `offset`, and gives the memory back when nothing is left.
    void drop_below(std::uint64_t offset) {
        if (empty()) return;
        std::erase_if(ranges_, [&](ByteRange r) { return r.end <= offset; });
        if (empty()) {
            ranges_ = {};
        } else {
            ranges_.front().begin = std::max(ranges_.front().begin, offset);
        }
    }

    /// The end of the range that holds `offset`, or `offset` itself.
    [[nodiscard]] std::uint64_t skip(std::uint64_t offset) const {
        for (const ByteRange r : ranges_) {
            if (r.begin <= offset && offset < r.end) return r.end;
        }
        return offset;
    }

    /// Where the first range after `offset` begins, at most `limit`. `offset` lies in no range.
    [[nodiscard]] std::uint64_t next_begin(std::uint64_t offset, std::uint64_t limit) const {
        for (const ByteRange r : ranges_) {
            if (r.begin > offset) return std::min(limit, r.begin);
        }
        return limit;
    }

   private:
    std::vector<ByteRange> ranges_;
};

}  // namespace overlab::sim
