#include "models/store/lease_decoder.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

// Revision and the end of the key, where subnets differ: enough to tell the keys of one transaction
// apart, and cheaper than all of a long key. A collision only costs a parse.
std::uint64_t hash_of(const KeyValue& entry) {
    constexpr std::size_t tail_length = 8;
    const std::string_view key = entry.key;
    std::uint64_t tail = 0;
    for (const char c : key.substr(key.size() - std::min(key.size(), tail_length))) {
        tail = tail << 8 | static_cast<unsigned char>(c);
    }
    return mix64(mix64(static_cast<std::uint64_t>(entry.mod_revision)) ^ tail);
}

Result<LeasePtr> parse(const KeyValue& entry) {
    OVERLAB_TRY(Lease lease, parse_lease(entry));
    return std::make_shared<const Lease>(std::move(lease));
}

}  // namespace

LeaseDecoder::LeaseDecoder(std::size_t capacity) : capacity_(capacity) {
    CHECK(capacity > 0);
    CHECK(capacity <= UINT32_MAX);
}

Result<LeasePtr> LeaseDecoder::decode(const KeyValuePtr& entry) {
    CHECK(entry != nullptr);
    const std::uint64_t hash = hash_of(*entry);
    if (const std::uint32_t* at = by_hash_.find(hash)) {
        const Slot& slot = ring_[*at];
        if (slot.entry == entry || *slot.entry == *entry) return slot.lease;
    }
    ++parsed_;
    Slot fresh{.hash = hash, .entry = entry, .lease = parse(*entry)};
    Result<LeasePtr> answer = fresh.lease;
    if (ring_.size() < capacity_) {
        by_hash_.put(hash, static_cast<std::uint32_t>(ring_.size()));
        ring_.push_back(std::move(fresh));
        return answer;
    }
    const auto reused = static_cast<std::uint32_t>(oldest_);
    Slot& slot = ring_[oldest_];
    // A later entry of the same hash may have taken the name over; then it is not this slot's to
    // remove.
    if (const std::uint32_t* at = by_hash_.find(slot.hash); at != nullptr && *at == reused) {
        by_hash_.erase(slot.hash);
    }
    slot = std::move(fresh);
    by_hash_.put(hash, reused);
    oldest_ = (oldest_ + 1) % capacity_;
    return answer;
}

}  // namespace overlab
