// EventQueue: the simulator's pending events in (time, sequence) order.
//
// Most events of a packet simulation lie a few microseconds ahead, timers lie seconds ahead. So: a
// wheel of 4096 buckets of 256 ns (about 1 ms), a second wheel of 4096 buckets of 1 ms (about 4 s),
// an unordered list for what lies beyond, and a 4-ary heap that holds only the bucket being
// drained. Insertion is O(1) for nearly all events; order inside a bucket costs the heap of that
// bucket alone. Entries outside the heap are nodes of one pool, linked into their buckets and used
// again last in, first out: memory touched is that of the events pending, however far the wheel has
// turned.
//
// The 64-bit sequence number makes simultaneous events run in the order they were scheduled, for
// ever (ns-3's own 32-bit one wraps after an hour of work).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "models/base/check.h"

namespace overlab::sim {

template <typename Payload>
class EventQueue {
   public:
    struct Entry {
        std::int64_t time_ns;
        std::uint64_t sequence;
        Payload payload;
    };

    EventQueue() : near_(bucket_count, none), middle_(bucket_count, none) {}

    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }

    /// `time_ns` >= the time of the last entry popped (CHECKed when popped out of order would
    /// result).
    void push(std::int64_t time_ns, std::uint64_t sequence, Payload payload) {
        ++size_;
        place(Entry{time_ns, sequence, payload});
    }

    /// The earliest entry's time. The queue must not be empty.
    [[nodiscard]] std::int64_t next_time_ns() {
        if (heap_.empty()) refill();
        return heap_.front().time_ns;
    }

    Entry pop() {
        if (heap_.empty()) refill();
        --size_;
        const Entry top = heap_.front();
        const Entry last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sift_down(last);
        return top;
    }

   private:
    static constexpr unsigned near_shift = 8;
    static constexpr unsigned wheel_bits = 12;
    static constexpr unsigned middle_shift = near_shift + wheel_bits;
    static constexpr std::size_t bucket_count = std::size_t{1} << wheel_bits;
    using Bitmap = std::array<std::uint64_t, bucket_count / 64>;
    static constexpr std::uint64_t never = ~std::uint64_t{0};
    using NodeId = std::uint32_t;
    static constexpr NodeId none = ~NodeId{0};
    struct Node {
        Entry entry;
        NodeId next;
    };

    // Times first with plain branches: comparing a combined 128-bit key is twice as slow.
    static bool before(const Entry& a, const Entry& b) {
        if (a.time_ns != b.time_ns) return a.time_ns < b.time_ns;
        return a.sequence < b.sequence;
    }
    static std::size_t slot(std::uint64_t index) { return index & (bucket_count - 1); }
    static void mark(Bitmap& map, std::size_t i) { map[i >> 6] |= std::uint64_t{1} << (i & 63); }
    static void clear(Bitmap& map, std::size_t i) {
        map[i >> 6] &= ~(std::uint64_t{1} << (i & 63));
    }

    /// The first marked slot at or after `from`, bucket_count if none.
    static std::size_t first_marked(const Bitmap& map, std::size_t from) {
        if (from >= bucket_count) return bucket_count;
        std::size_t word = from >> 6;
        std::uint64_t bits = map[word] & (~std::uint64_t{0} << (from & 63));
        while (bits == 0) {
            if (++word == map.size()) return bucket_count;
            bits = map[word];
        }
        return (word << 6) + static_cast<std::size_t>(std::countr_zero(bits));
    }

    void link(NodeId& bucket, const Entry& entry) {
        NodeId id = free_;
        if (id == none) {
            id = static_cast<NodeId>(nodes_.size());
            CHECK(id != none);
            nodes_.push_back({entry, bucket});
        } else {
            free_ = nodes_[id].next;
            nodes_[id] = {entry, bucket};
        }
        bucket = id;
    }

    template <typename Use>
    void unlink_all(NodeId& bucket, Use use) {
        NodeId id = std::exchange(bucket, none);
        while (id != none) {
            const Node node = nodes_[id];
            nodes_[id].next = free_;
            free_ = id;
            use(node.entry);
            id = node.next;
        }
    }

    void place(const Entry& entry) {
        const auto near_index = static_cast<std::uint64_t>(entry.time_ns) >> near_shift;
        if (near_index <= drained_) {
            sift_up(entry);
            return;
        }
        const auto middle_index = static_cast<std::uint64_t>(entry.time_ns) >> middle_shift;
        if (middle_index == epoch_) {
            link(near_[slot(near_index)], entry);
            mark(near_marks_, slot(near_index));
        } else if (middle_index - epoch_ < bucket_count) {
            link(middle_[slot(middle_index)], entry);
            mark(middle_marks_, slot(middle_index));
        } else {
            far_.push_back(entry);
            far_earliest_ = std::min(far_earliest_, middle_index);
        }
    }

    /// Makes the heap hold the next bucket. The queue must hold something outside the heap.
    void refill() {
        CHECK(size_ > 0);
        while (heap_.empty()) {
            const std::uint64_t base = epoch_ << wheel_bits;
            const std::size_t from = drained_ >= base ? slot(drained_) + 1 : 0;
            const std::size_t found =
                drained_ >= base + bucket_count ? bucket_count : first_marked(near_marks_, from);
            if (found < bucket_count) {
                drain_near(base + found);
            } else {
                advance_epoch();
            }
        }
    }

    void drain_near(std::uint64_t near_index) {
        drained_ = near_index;
        clear(near_marks_, slot(near_index));
        unlink_all(near_[slot(near_index)], [this](const Entry& entry) { sift_up(entry); });
    }

    /// The next epoch that the second wheel holds something for; `never` if none.
    [[nodiscard]] std::uint64_t next_middle_epoch() const {
        const std::size_t here = slot(epoch_);
        std::size_t found = first_marked(middle_marks_, here + 1);
        if (found < bucket_count) return epoch_ + (found - here);
        found = first_marked(middle_marks_, 0);  // wrap around
        return found < bucket_count ? epoch_ + (found + bucket_count - here) : never;
    }

    /// What lies beyond the wheels may still be the earliest: the wheels' reach moves with the
    /// epoch, and an entry stays where it was put. So both are asked.
    void advance_epoch() {
        const std::uint64_t in_wheel = next_middle_epoch();
        enter_epoch(std::min(in_wheel, far_earliest_));
        if (epoch_ == in_wheel) {
            clear(middle_marks_, slot(epoch_));
            unlink_all(middle_[slot(epoch_)], [this](const Entry& entry) { place(entry); });
        }
        if (epoch_ == far_earliest_) gather_far();
    }

    /// Sorts what lay beyond in anew: at most once for every turn of the second wheel.
    void gather_far() {
        far_earliest_ = never;
        for (const Entry& entry : std::exchange(far_, {})) place(entry);
    }

    void enter_epoch(std::uint64_t epoch) {
        epoch_ = epoch;
        drained_ = (epoch << wheel_bits) - 1;
    }

    void sift_up(const Entry& entry) {
        std::size_t i = heap_.size();
        heap_.push_back(entry);
        while (i > 0) {
            const std::size_t parent = (i - 1) >> 2;
            if (!before(entry, heap_[parent])) break;
            heap_[i] = heap_[parent];
            i = parent;
        }
        heap_[i] = entry;
    }

    void sift_down(const Entry& entry) {
        const std::size_t n = heap_.size();
        std::size_t i = 0;
        for (;;) {
            const std::size_t first = 4 * i + 1;
            if (first >= n) break;
            const std::size_t last = std::min(first + 4, n);
            std::size_t least = first;
            for (std::size_t k = first + 1; k < last; ++k) {
                if (before(heap_[k], heap_[least])) least = k;
            }
            if (!before(heap_[least], entry)) break;
            heap_[i] = heap_[least];
            i = least;
        }
        heap_[i] = entry;
    }

    std::vector<Entry> heap_;  ///< every entry whose near index is <= drained_
    std::vector<Node> nodes_;
    NodeId free_ = none;
    std::vector<NodeId> near_, middle_;  ///< heads of the buckets' lists
    std::vector<Entry> far_;
    std::uint64_t far_earliest_ = never;  ///< least middle index in far_
    Bitmap near_marks_{}, middle_marks_{};
    std::uint64_t drained_ = 0;  ///< near index of the bucket in the heap
    std::uint64_t epoch_ = 0;    ///< middle index that the near wheel covers
    std::size_t size_ = 0;
};

}  // namespace overlab::sim
