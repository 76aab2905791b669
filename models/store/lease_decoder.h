// LeaseDecoder: decodes each stored entry once. Thousands of nodes in one process watch the same
// store; with one decoder among them they share one Lease per stored version instead of parsing and
// holding thousands of copies.
//
// A cache and nothing else: what it answers is parse_lease()'s answer, so forgetting costs time
// only. It holds the last `capacity` versions it met, oldest out first. An entry is looked up by a
// hash of its revision and key and then compared in full, so stores may share a decoder too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/base/error.h"
#include "models/base/flat_hash.h"
#include "models/lease/lease.h"
#include "models/ports/kv_store.h"

namespace overlab {

class LeaseDecoder {
   public:
    /// Room for 5,000 hosts, each with several versions of its lease.
    static constexpr std::size_t default_capacity = std::size_t{1} << 15;

    /// capacity > 0.
    explicit LeaseDecoder(std::size_t capacity = default_capacity);

    /// Errors: invalid_argument, as parse_lease().
    [[nodiscard]] Result<LeasePtr> decode(const KeyValuePtr& entry);

    /// How many entries were parsed rather than found.
    [[nodiscard]] std::uint64_t parsed() const { return parsed_; }

   private:
    struct Slot {
        std::uint64_t hash = 0;
        KeyValuePtr entry;  // null: free
        Result<LeasePtr> lease;
    };

    std::size_t capacity_;
    std::uint64_t parsed_ = 0;
    std::vector<Slot> ring_;  // grows up to capacity_, then its oldest slot is reused
    std::size_t oldest_ = 0;
    FlatHash<std::uint64_t, std::uint32_t> by_hash_;  // into ring_; order-free: looked up only
};

}  // namespace overlab
