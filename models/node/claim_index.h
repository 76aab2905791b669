// ClaimIndex: what only one peer can have, and who claims it: an overlay prefix (overlapping ones
// exclude each other too), a public address, an identity (VTEP MAC, public key). A backend plans
// one peer at a time and cannot see such clashes; last-writer-wins would make the outcome depend on
// the order of events.
//
// Normal case, one claimant a thing: three hash entries a peer, no lists. Clashes cost lists, and
// only they.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/net/address.h"

namespace overlab {

/// A claimant's number, given by the owner of the index.
using PeerId = std::uint32_t;
inline constexpr PeerId no_peer = 0xffff'ffff;

struct Claims {
    Ipv4Prefix subnet;
    Ipv4Address public_ip;
    std::optional<std::uint64_t> identity;  ///< Backend::claimed_identity()
};

class ClaimIndex {
   public:
    void add(PeerId id, const Claims& claims);
    /// `claims` as they were added.
    void remove(PeerId id, const Claims& claims);

    /// Everybody but `id` who claims something that `claims` does; may hold one more than once.
    [[nodiscard]] std::vector<PeerId> rivals(PeerId id, const Claims& claims) const;
    /// False if nobody has a rival, which is the case unless something is wrong.
    [[nodiscard]] bool may_have_rivals() const;
    /// Everybody who claims exactly `subnet`.
    [[nodiscard]] std::vector<PeerId> holders(Ipv4Prefix subnet) const;

   private:
    /// Key to its claimants.
    class Holders {
       public:
        void add(std::uint64_t key, PeerId id);
        void remove(std::uint64_t key, PeerId id);
        /// Appends the claimants of `key` without `but`.
        void append(std::uint64_t key, PeerId but, std::vector<PeerId>& found) const;
        [[nodiscard]] bool any_shared() const { return !shared_.empty(); }
        template <typename Visit>
        void for_each_key(Visit visit) const {
            single_.for_each([&](std::uint64_t key, PeerId) { visit(key); });
            for (const auto& [key, ids] : shared_) visit(key);
        }

       private:
        FlatHash<std::uint64_t, PeerId> single_;
        std::map<std::uint64_t, std::vector<PeerId>> shared_;  ///< two claimants or more
    };

    void append_overlapping(Ipv4Prefix subnet, PeerId but, std::vector<PeerId>& found) const;

    Holders subnets_;
    Holders addresses_;
    Holders identities_;
    std::array<std::uint32_t, 33> lengths_{};  ///< how many subnets of each length there are
};

}  // namespace overlab
