// LeanRuntime: a Runtime of virtual time made for speed. As VirtualRuntime (the same order, to the
// action), but its queue is a heap of 24-byte entries over slots that are used again: once it has
// grown, asking for an action allocates nothing but what the action itself holds.
//
// A cancelled action is destroyed at once; its entry stays in the heap until its time comes or the
// dead outnumber the living.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "models/base/time.h"
#include "models/ports/runtime.h"

namespace overlab {

class LeanRuntime final : public Runtime {
   public:
    [[nodiscard]] Instant now() const override { return now_; }

    TimerId call_at(Instant when, std::function<void()> action) override {
        const std::uint32_t slot = take_slot();
        slots_[slot].action = std::move(action);
        slots_[slot].live = true;
        push({.when_ns = std::max(when, now_).ns, .sequence = ++last_sequence_, .slot = slot});
        return {std::uint64_t{slots_[slot].life} << 32 | (slot + 1)};
    }

    void cancel(TimerId timer) override {
        const auto index = static_cast<std::uint32_t>(timer.value) - 1;
        if (timer.value == 0 || index >= slots_.size()) return;
        Slot& slot = slots_[index];
        if (!slot.live || slot.life != timer.value >> 32) return;
        slot.live = false;
        ++dead_;
        // Moved out first: what the action owns may cancel further timers as it goes.
        const std::function<void()> gone = std::exchange(slot.action, nullptr);
        if (dead_ > fewest_swept && 2 * dead_ > heap_.size()) sweep();
    }

    /// Runs the next action, moving time to it. False if there is none.
    bool step() {
        drop_dead();
        if (heap_.empty()) return false;
        run_first();
        return true;
    }

    /// Runs everything due up to and including `end`, then stands at `end`. False if `stop` said so
    /// after an action: then time stands there.
    template <typename Stop>
    bool run_until(Instant end, Stop&& stop) {
        for (drop_dead(); !heap_.empty() && heap_.front().when_ns <= end.ns; drop_dead()) {
            run_first();
            if (stop()) return false;
        }
        now_ = std::max(now_, end);
        return true;
    }
    void run_until(Instant end) {
        (void)run_until(end, [] { return false; });  // nothing stops it
    }

    [[nodiscard]] std::size_t pending() const { return heap_.size() - dead_; }
    /// Actions run so far.
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

   private:
    struct Entry {
        std::int64_t when_ns;
        std::uint64_t sequence;
        std::uint32_t slot;
    };
    struct Slot {
        std::function<void()> action;
        std::uint32_t life = 0;  ///< tells a timer from those that had the slot before it
        bool live = false;
    };
    static constexpr std::size_t arity = 4;
    static constexpr std::size_t fewest_swept = 64;

    /// std's heaps keep the greatest in front.
    static bool before(const Entry& a, const Entry& b) {
        return a.when_ns != b.when_ns ? a.when_ns < b.when_ns : a.sequence < b.sequence;
    }

    std::uint32_t take_slot() {
        if (free_.empty()) {
            slots_.emplace_back();
            return static_cast<std::uint32_t>(slots_.size() - 1);
        }
        const std::uint32_t slot = free_.back();
        free_.pop_back();
        return slot;
    }

    void release(std::uint32_t slot) {
        ++slots_[slot].life;
        free_.push_back(slot);
    }

    void push(const Entry& entry) {
        std::size_t at = heap_.size();
        heap_.push_back(entry);
        for (; at > 0 && before(entry, heap_[(at - 1) / arity]); at = (at - 1) / arity) {
            heap_[at] = heap_[(at - 1) / arity];
        }
        heap_[at] = entry;
    }

    void pop() {
        const Entry last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sink(0, last);
    }

    void sink(std::size_t at, const Entry& entry) {
        for (std::size_t child = arity * at + 1; child < heap_.size(); child = arity * at + 1) {
            const std::size_t end = std::min(child + arity, heap_.size());
            std::size_t least = child;
            for (std::size_t other = child + 1; other < end; ++other) {
                if (before(heap_[other], heap_[least])) least = other;
            }
            if (!before(heap_[least], entry)) break;
            heap_[at] = heap_[least];
            at = least;
        }
        heap_[at] = entry;
    }

    void drop_dead() {
        while (!heap_.empty() && !slots_[heap_.front().slot].live) {
            release(heap_.front().slot);
            --dead_;
            pop();
        }
    }

    void run_first() {
        const Entry first = heap_.front();
        pop();
        now_ = {first.when_ns};
        ++steps_;
        const std::function<void()> action = std::exchange(slots_[first.slot].action, nullptr);
        slots_[first.slot].live = false;
        release(first.slot);
        action();
    }

    void sweep() {
        std::erase_if(heap_, [this](const Entry& entry) {
            if (slots_[entry.slot].live) return false;
            release(entry.slot);
            return true;
        });
        dead_ = 0;
        // Sorted is a heap too.
        std::ranges::sort(heap_, before);
    }

    Instant now_;
    std::uint64_t last_sequence_ = 0;
    std::uint64_t steps_ = 0;
    std::size_t dead_ = 0;
    std::vector<Entry> heap_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;
};

}  // namespace overlab
