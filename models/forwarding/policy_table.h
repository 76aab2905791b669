// PolicyTable: XFRM policies by direction and selector. As in xfrm_policy_match() with one priority
// for all, but longest selector first instead of insertion order, so that the answer does not
// depend on history.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/forwarding/rows.h"

namespace overlab {

struct PolicyEntry {
    Ipv4Address tunnel_source, tunnel_destination;
    std::uint32_t reqid = 0;
};

class PolicyTable {
   public:
    void install(const PolicyRow& row);
    void withdraw(const PolicyRow& row);  ///< absent is success

    /// The matching policy with the longest destination, then the longest source; null if none.
    /// The pointer is good until the next change.
    [[nodiscard]] const PolicyEntry* find(PolicyRow::Direction direction, Ipv4Address source,
                                          Ipv4Address destination) const;
    /// The same with its selector.
    [[nodiscard]] std::optional<PolicyRow> find_row(PolicyRow::Direction direction,
                                                    Ipv4Address source,
                                                    Ipv4Address destination) const;
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    void dump(std::vector<Row>& rows) const;  ///< appends, ascending

   private:
    /// All policies of one direction and one pair of selector lengths.
    struct Level {
        PolicyRow::Direction direction;
        std::uint8_t destination_length;
        std::uint8_t source_length;
        FlatHash<std::uint64_t, PolicyEntry> entries;  ///< by source network, destination network
    };

    struct Found {
        const PolicyEntry* entry = nullptr;
        Ipv4Prefix source{}, destination{};
    };

    [[nodiscard]] Found lookup(PolicyRow::Direction direction, Ipv4Address source,
                               Ipv4Address destination) const;
    [[nodiscard]] static bool before(const Level& level, const PolicyRow& row);
    std::vector<Level> levels_;  ///< by direction, then longest destination, then longest source
    std::size_t size_ = 0;
};

}  // namespace overlab
