// FlatHash: an open-addressing hash map for small trivially copyable keys and values. Linear probing,
// power-of-two capacity, load at most 7/8, deletion by backward shift (no tombstones). One allocation and
// no per-entry overhead but a byte: forwarding tables hold tens of millions of entries.
//
// Iteration order is the slots' order and depends on history: sort before anything visible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "models/base/check.h"

namespace overlab {

/// Finaliser of MurmurHash3: spreads an integer key over 64 bits.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdU;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53U;
    return x ^ (x >> 33);
}

template <typename Key, typename Value>
class FlatHash {
    static_assert(std::is_integral_v<Key> && std::is_trivially_copyable_v<Value>);

   public:
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    [[nodiscard]] Value* find(Key key) {
        return const_cast<Value*>(std::as_const(*this).find(key));
    }
    [[nodiscard]] const Value* find(Key key) const {
        if (size_ == 0) return nullptr;
        for (std::size_t i = home(key);; i = (i + 1) & mask_) {
            if (!used_[i]) return nullptr;
            if (slots_[i].key == key) return &slots_[i].value;
        }
    }

    /// Adds or replaces. True if the key is new.
    bool put(Key key, const Value& value) {
        if ((size_ + 1) * 8 > capacity() * 7) grow();
        std::size_t i = home(key);
        for (; used_[i]; i = (i + 1) & mask_) {
            if (slots_[i].key == key) {
                slots_[i].value = value;
                return false;
            }
        }
        used_[i] = true;
        slots_[i] = {key, value};
        ++size_;
        return true;
    }

    /// True if the key was there.
    bool erase(Key key) {
        if (size_ == 0) return false;
        std::size_t i = home(key);
        for (;; i = (i + 1) & mask_) {
            if (!used_[i]) return false;
            if (slots_[i].key == key) break;
        }
        for (std::size_t next = (i + 1) & mask_; used_[next]; next = (next + 1) & mask_) {
            const std::size_t displacement = (next - home(slots_[next].key)) & mask_;
            if (displacement >= ((next - i) & mask_)) {
                slots_[i] = slots_[next];
                i = next;
            }
        }
        used_[i] = false;
        --size_;
        return true;
    }

    template <typename Visit>
    void for_each(Visit visit) const {
        for (std::size_t i = 0; i < capacity(); ++i) {
            if (used_[i]) visit(slots_[i].key, slots_[i].value);
        }
    }

   private:
    struct Slot {
        Key key;
        Value value;
    };

    [[nodiscard]] std::size_t capacity() const { return slots_ ? mask_ + 1 : 0; }
    [[nodiscard]] std::size_t home(Key key) const {
        return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(key))) & mask_;
    }

    void grow() {
        FlatHash bigger;
        const std::size_t wanted = capacity() == 0 ? 8 : capacity() * 2;
        bigger.slots_ = std::make_unique_for_overwrite<Slot[]>(wanted);
        bigger.used_ = std::make_unique<bool[]>(wanted);
        bigger.mask_ = wanted - 1;
        for_each([&](Key key, const Value& value) { bigger.put(key, value); });
        *this = std::move(bigger);
    }

    std::unique_ptr<Slot[]> slots_;
    std::unique_ptr<bool[]> used_;
    std::size_t mask_ = 0;
    std::size_t size_ = 0;
};

}  // namespace overlab
