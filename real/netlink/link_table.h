// LinkTable: which interfaces a namespace has, as rows name them. A name is asked for once and then
// remembered until forget(): interfaces are made and deleted by other people too, so a table is
// good for one call of the stack.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/links.h"

namespace overlab::real {

/// The alias of every link that is ours.
inline constexpr std::string_view own_alias = "overlab";

struct KnownLink {
    LinkFacts facts;
    bool own = false;  ///< carries own_alias
    /// The row that would make it, for the kinds that the kernel can tell (vxlan, ipip; wireguard
    /// without its port). A link that is down carries nothing and shows an MTU of 0, so that
    /// whoever compares rows sees that it is not as it should be.
    std::optional<LinkRow> row;

    [[nodiscard]] std::uint32_t index() const { return facts.index; }
    /// What a row says of the MTU.
    [[nodiscard]] std::uint32_t shown_mtu() const { return facts.up ? facts.mtu : 0; }
};

class LinkTable {
   public:
    explicit LinkTable(NetlinkSocket& socket) : socket_(&socket) {}

    /// The pointer is good until forget(). Errors: not_found (not remembered), unavailable.
    [[nodiscard]] Result<const KnownLink*> find(const LinkName& name);
    /// All of them, ascending by name; remembers nothing.
    [[nodiscard]] Result<std::vector<KnownLink>> list();
    void forget() { known_.clear(); }

   private:
    [[nodiscard]] Result<std::string> name_of(std::uint32_t index);

    NetlinkSocket* socket_;
    std::map<LinkName, KnownLink, std::less<>> known_;
};

}  // namespace overlab::real
