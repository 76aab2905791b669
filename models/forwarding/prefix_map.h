// PrefixMap: longest-prefix match over IPv4 prefixes. One FlatHash a prefix length in use, visited
// from the longest; a real host uses three or four lengths, so a lookup is three or four probes
// whatever the size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/net/address.h"

namespace overlab {

template <typename Value>
class PrefixMap {
   public:
    struct Match {
        Ipv4Prefix prefix;
        const Value* value;  ///< good until the next change
    };

    /// Adds or replaces. True if the prefix is new.
    bool put(Ipv4Prefix prefix, const Value& value) {
        const bool added = level(prefix.length).entries.put(prefix.network.bits, value);
        if (added) ++size_;
        return added;
    }

    /// True if the prefix was there.
    bool erase(Ipv4Prefix prefix) {
        const auto at = lower_bound(prefix.length);
        if (at == levels_.end() || at->length != prefix.length) return false;
        if (!at->entries.erase(prefix.network.bits)) return false;
        if (at->entries.empty()) levels_.erase(at);
        --size_;
        return true;
    }

    /// Exactly this prefix.
    [[nodiscard]] const Value* find(Ipv4Prefix prefix) const {
        for (const Level& each : levels_) {
            if (each.length == prefix.length) return each.entries.find(prefix.network.bits);
        }
        return nullptr;
    }

    /// The longest prefix that contains `address`.
    [[nodiscard]] std::optional<Match> match(Ipv4Address address) const {
        for (const Level& each : levels_) {
            const std::uint32_t network = address.bits & Ipv4Prefix::mask_of(each.length);
            if (const Value* value = each.entries.find(network)) {
                return Match{{{network}, each.length}, value};
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    /// Visits (prefix, value) in no particular order.
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const Level& each : levels_) {
            each.entries.for_each([&](std::uint32_t network, const Value& value) {
                visit(Ipv4Prefix{{network}, each.length}, value);
            });
        }
    }

   private:
    struct Level {
        std::uint8_t length;
        FlatHash<std::uint32_t, Value> entries;
    };

    auto lower_bound(std::uint8_t length) {
        return std::ranges::lower_bound(levels_, length, std::greater{}, &Level::length);
    }

    Level& level(std::uint8_t length) {
        const auto at = lower_bound(length);
        if (at != levels_.end() && at->length == length) return *at;
        return *levels_.insert(at, Level{length, {}});
    }

    std::vector<Level> levels_;  ///< longest first; never an empty one
    std::size_t size_ = 0;
};

}  // namespace overlab
