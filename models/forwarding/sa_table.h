// SaTable: security associations. Outbound, the newest SA of a tunnel is used, as xfrm_state_find()
// prefers the latest added; inbound, an SA is named by destination and SPI (RFC 4301 §4.1). A
// tunnel has one or two SAs (the old one lives on during a rekey), so they are kept in one short
// list a tunnel.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/forwarding/rows.h"

namespace overlab {

struct SaEntry {
    std::uint32_t spi = 0;
    std::uint32_t reqid = 0;
    std::uint16_t encap_port = 0;
};

class SaTable {
   public:
    void install(const SaRow& row);   ///< add, or replace in place (its age stays)
    void withdraw(const SaRow& row);  ///< absent is success

    /// The pointers are good until the next change.
    [[nodiscard]] const SaEntry* newest(Ipv4Address source, Ipv4Address destination,
                                        std::uint32_t reqid) const;
    [[nodiscard]] bool has_inbound(Ipv4Address destination, std::uint32_t spi) const;
    void dump(std::vector<Row>& rows) const;  ///< appends, ascending

   private:
    /// A node of a tunnel's list, newest first.
    struct Node {
        SaEntry entry;
        std::uint32_t older;
    };
    static constexpr std::uint32_t none = 0xffff'ffff;

    std::vector<Node> nodes_;
    std::vector<std::uint32_t> free_;
    FlatHash<std::uint64_t, std::uint32_t> newest_;   ///< by source, destination
    FlatHash<std::uint64_t, std::uint32_t> inbound_;  ///< by destination, SPI: how many SAs
};

}  // namespace overlab
