#include "models/node/claim_index.h"

#include <algorithm>
#include <iterator>

#include "models/base/check.h"

namespace overlab {
namespace {

std::uint64_t subnet_key(Ipv4Prefix subnet) {
    return (std::uint64_t{subnet.length} << 32) | subnet.network.bits;
}

Ipv4Prefix subnet_of(std::uint64_t key) {
    return {{static_cast<std::uint32_t>(key)}, static_cast<std::uint8_t>(key >> 32)};
}

}  // namespace

void ClaimIndex::Holders::add(std::uint64_t key, PeerId id) {
    if (const auto shared = shared_.find(key); shared != shared_.end()) {
        shared->second.push_back(id);
    } else if (const PeerId* other = single_.find(key)) {
        shared_[key] = {*other, id};
        single_.erase(key);
    } else {
        single_.put(key, id);
    }
}

void ClaimIndex::Holders::remove(std::uint64_t key, PeerId id) {
    const auto shared = shared_.find(key);
    if (shared == shared_.end()) {
        const PeerId* only = single_.find(key);
        CHECK(only != nullptr && *only == id);
        single_.erase(key);
        return;
    }
    std::vector<PeerId>& ids = shared->second;
    const auto at = std::ranges::find(ids, id);
    CHECK(at != ids.end());
    ids.erase(at);
    if (ids.size() > 1) return;
    single_.put(key, ids.front());
    shared_.erase(shared);
}

void ClaimIndex::Holders::append(std::uint64_t key, PeerId but, std::vector<PeerId>& found) const {
    if (const PeerId* only = single_.find(key)) {
        if (*only != but) found.push_back(*only);
        return;
    }
    if (shared_.empty()) return;
    const auto shared = shared_.find(key);
    if (shared == shared_.end()) return;
    std::ranges::remove_copy(shared->second, std::back_inserter(found), but);
}

void ClaimIndex::add(PeerId id, const Claims& claims) {
    subnets_.add(subnet_key(claims.subnet), id);
    ++lengths_[claims.subnet.length];
    addresses_.add(claims.public_ip.bits, id);
    if (claims.identity) identities_.add(*claims.identity, id);
}

void ClaimIndex::remove(PeerId id, const Claims& claims) {
    subnets_.remove(subnet_key(claims.subnet), id);
    --lengths_[claims.subnet.length];
    addresses_.remove(claims.public_ip.bits, id);
    if (claims.identity) identities_.remove(*claims.identity, id);
}

void ClaimIndex::append_overlapping(Ipv4Prefix subnet, PeerId but,
                                    std::vector<PeerId>& found) const {
    // Length 0 stands for "no IPv4 part" and overlaps nothing.
    bool longer = false;
    for (unsigned length = 1; length < lengths_.size(); ++length) {
        if (lengths_[length] == 0) continue;
        if (length > subnet.length) {
            longer = true;
        } else {
            subnets_.append(subnet_key(Ipv4Prefix::of(subnet.network, length)), but, found);
        }
    }
    // Subnets of one network have one length, so that this scan is for hand-written leases only.
    if (!longer) return;
    subnets_.for_each_key([&](std::uint64_t key) {
        const Ipv4Prefix other = subnet_of(key);
        if (other.length > subnet.length && subnet.contains(other))
            subnets_.append(key, but, found);
    });
}

std::vector<PeerId> ClaimIndex::rivals(PeerId id, const Claims& claims) const {
    std::vector<PeerId> found;
    if (claims.subnet.length != 0) append_overlapping(claims.subnet, id, found);
    addresses_.append(claims.public_ip.bits, id, found);
    if (claims.identity) identities_.append(*claims.identity, id, found);
    return found;
}

bool ClaimIndex::may_have_rivals() const {
    const auto lengths = std::ranges::count_if(lengths_, [](std::uint32_t n) { return n != 0; });
    return lengths > 1 || subnets_.any_shared() || addresses_.any_shared() ||
           identities_.any_shared();
}

std::vector<PeerId> ClaimIndex::holders(Ipv4Prefix subnet) const {
    std::vector<PeerId> found;
    subnets_.append(subnet_key(subnet), no_peer, found);
    return found;
}

}  // namespace overlab
