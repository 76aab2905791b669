// FlatHash: an open-addressing hash map for small trivially copyable keys and values. Linear
// probing, power-of-two capacity, load at most 7/8, deletion by backward shift (no tombstones).
// Keys, values and the used marks lie in arrays of their own, so that a 8-byte key with a 4-byte
// value costs 13 bytes a slot and not 24: forwarding tables hold tens of millions of entries.
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
    FlatHash() = default;
    FlatHash(FlatHash&& other) noexcept { swap(other); }
    FlatHash& operator=(FlatHash&& other) noexcept {
        FlatHash taken(std::move(other));
        swap(taken);
        return *this;
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    /// The pointer is good until the next put, erase or reserve.
    [[nodiscard]] Value* find(Key key) {
        return const_cast<Value*>(std::as_const(*this).find(key));
    }
    [[nodiscard]] const Value* find(Key key) const {
        if (size_ == 0) return nullptr;
        for (std::size_t i = home(key);; i = (i + 1) & mask_) {
            if (!used_[i]) return nullptr;
            if (keys_[i] == key) return &values_[i];
        }
    }

    /// Adds or replaces. True if the key is new.
    bool put(Key key, const Value& value) {
        if ((size_ + 1) * 8 > capacity() * 7) rehash(capacity() == 0 ? 8 : capacity() * 2);
        std::size_t i = home(key);
        for (; used_[i]; i = (i + 1) & mask_) {
            if (keys_[i] == key) {
                values_[i] = value;
                return false;
            }
        }
        used_[i] = true;
        keys_[i] = key;
        values_[i] = value;
        ++size_;
        return true;
    }

    /// True if the key was there.
    bool erase(Key key) {
        if (size_ == 0) return false;
        std::size_t i = home(key);
        for (;; i = (i + 1) & mask_) {
            if (!used_[i]) return false;
            if (keys_[i] == key) break;
        }
        for (std::size_t next = (i + 1) & mask_; used_[next]; next = (next + 1) & mask_) {
            const std::size_t displacement = (next - home(keys_[next])) & mask_;
            if (displacement >= ((next - i) & mask_)) {
                keys_[i] = keys_[next];
                values_[i] = values_[next];
                i = next;
            }
        }
        used_[i] = false;
        --size_;
        return true;
    }

    void clear() { *this = FlatHash(); }

    /// Makes room for `count` entries in one step, so that a bulk load does not rehash on its way.
    void reserve(std::size_t count) {
        std::size_t wanted = 8;
        while (count * 8 > wanted * 7) wanted *= 2;
        if (wanted > capacity()) rehash(wanted);
    }

    template <typename Visit>
    void for_each(Visit visit) const {
        for (std::size_t i = 0; i < capacity(); ++i) {
            if (used_[i]) visit(keys_[i], values_[i]);
        }
    }

   private:
    [[nodiscard]] std::size_t capacity() const { return used_ ? mask_ + 1 : 0; }
    [[nodiscard]] std::size_t home(Key key) const {
        return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(key))) & mask_;
    }

    void swap(FlatHash& other) noexcept {
        std::swap(keys_, other.keys_);
        std::swap(values_, other.values_);
        std::swap(used_, other.used_);
        std::swap(mask_, other.mask_);
        std::swap(size_, other.size_);
    }

    void rehash(std::size_t wanted) {
        FlatHash bigger;
        bigger.keys_ = std::make_unique_for_overwrite<Key[]>(wanted);
        bigger.values_ = std::make_unique_for_overwrite<Value[]>(wanted);
        bigger.used_ = std::make_unique<bool[]>(wanted);
        bigger.mask_ = wanted - 1;
        for_each([&](Key key, const Value& value) { bigger.put(key, value); });
        swap(bigger);
    }

    std::unique_ptr<Key[]> keys_;
    std::unique_ptr<Value[]> values_;
    std::unique_ptr<bool[]> used_;
    std::size_t mask_ = 0;
    std::size_t size_ = 0;
};

}  // namespace overlab
