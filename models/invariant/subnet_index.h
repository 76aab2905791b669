// SubnetIndex: who has which subnet, and who else has some of it, without looking at everybody.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "models/lease/lease.h"
#include "models/lease/subnet_allocator.h"

namespace overlab {

/// `Owner` is a value that tells owners apart. One owner may have a subnet once.
template <typename Owner>
class SubnetIndex {
   public:
    void add(const LeaseSubnet& subnet, Owner owner) {
        if (subnet.v4.length > 0) {
            v4_[key_of(subnet.v4)].push_back(owner);
            ++lengths_[subnet.v4.length];
        }
        if (subnet.v6) v6_.emplace_back(subnet, owner);
    }

    /// `subnet` as it was added.
    void remove(const LeaseSubnet& subnet, Owner owner) {
        if (subnet.v4.length > 0) {
            const auto found = v4_.find(key_of(subnet.v4));
            std::erase(found->second, owner);
            if (found->second.empty()) v4_.erase(found);
            --lengths_[subnet.v4.length];
        }
        if (subnet.v6) std::erase(v6_, std::pair(subnet, owner));
    }

    /// Each once, but for those that overlap in both families.
    template <typename Visit>
    void for_each_overlapping(const LeaseSubnet& subnet, Visit visit) const {
        if (subnet.v4.length > 0) visit_v4(subnet.v4, visit);
        if (!subnet.v6) return;
        for (const auto& [other, owner] : v6_) {
            if (other.v6->overlaps(*subnet.v6)) visit(owner);
        }
    }

   private:
    using Key = std::pair<std::uint32_t, std::uint8_t>;  ///< network, length
    static Key key_of(Ipv4Prefix prefix) {
        return {prefix.network.bits, static_cast<std::uint8_t>(prefix.length)};
    }

    template <typename Visit>
    void visit_v4(Ipv4Prefix subnet, Visit& visit) const {
        for (unsigned length = 1; length < subnet.length; ++length) {
            if (lengths_[length] == 0) continue;
            const auto wider = v4_.find(key_of(Ipv4Prefix::of(subnet.network, length)));
            if (wider == v4_.end()) continue;
            for (const Owner& owner : wider->second) visit(owner);
        }
        // What lies within follows in the order of keys.
        for (auto it = v4_.lower_bound(key_of(subnet)); it != v4_.end(); ++it) {
            if (!subnet.contains(Ipv4Address{it->first.first})) break;
            for (const Owner& owner : it->second) visit(owner);
        }
    }

    std::map<Key, std::vector<Owner>> v4_;
    std::array<std::uint32_t, 33> lengths_{};  ///< how many subnets of each length there are
    std::vector<std::pair<LeaseSubnet, Owner>> v6_;
};

}  // namespace overlab
