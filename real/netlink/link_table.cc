#include "real/netlink/link_table.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <utility>

#include "real/netlink/attributes.h"
#include "real/netlink/ipip_link.h"
#include "real/netlink/vxlan_link.h"

namespace overlab::real {
namespace {

/// A link and, for a vxlan, the index of the one below: its name takes another look.
struct ReadLink {
    KnownLink link;
    std::uint32_t lower = 0;
};

nlmsghdr* add_question(NetlinkBatch& batch, std::uint16_t flags) {
    nlmsghdr* const message = batch.add(RTM_GETLINK, flags, sizeof(ifinfomsg));
    put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return message;
}

std::optional<ReadLink> read_known(const nlmsghdr& message) {
    std::optional<LinkFacts> facts = read_link(message);
    if (!facts) return std::nullopt;
    ReadLink found{.link = {.facts = std::move(*facts), .own = false, .row = std::nullopt}};
    found.link.own = found.link.facts.alias == own_alias;
    if (std::optional<VxlanLink> vxlan = read_vxlan(message)) {
        vxlan->row.mtu = found.link.shown_mtu();
        found.link.row = std::move(vxlan->row);
        found.lower = vxlan->lower;
    }
    if (std::optional<LinkRow> row = read_ipip(message)) {
        row->mtu = found.link.shown_mtu();
        found.link.row = std::move(row);
    }
    if (found.link.facts.kind == "wireguard") {
        found.link.row = LinkRow{.name = found.link.facts.name,
                                 .kind = LinkRow::Kind::wireguard,
                                 .mtu = found.link.shown_mtu()};
    }
    return found;
}

}  // namespace

Result<std::string> LinkTable::name_of(std::uint32_t index) {
    NetlinkBatch batch;
    NetlinkBatch::family_header<ifinfomsg>(add_question(batch, 0)).ifi_index =
        static_cast<int>(index);
    std::string name;
    const Result<void> asked = socket_->query(batch, [&](const nlmsghdr& message) {
        if (const auto facts = read_link(message)) name = facts->name;
    });
    if (!asked) return std::unexpected(asked.error());
    return name;
}

Result<const KnownLink*> LinkTable::find(const LinkName& name) {
    const auto at = known_.find(name);
    if (at != known_.end()) return &at->second;
    std::optional<ReadLink> found;
    if (!name.empty() && name.size() < IFNAMSIZ) {
        NetlinkBatch batch;
        put_text(add_question(batch, 0), IFLA_IFNAME, name);
        const Result<void> asked =
            socket_->query(batch, [&](const nlmsghdr& message) { found = read_known(message); });
        if (!asked && asked.error().kind != ErrorKind::not_found) {
            return std::unexpected(asked.error());
        }
    }
    if (!found) return fail(ErrorKind::not_found, fmt::format("no device {}", name));
    if (found->lower != 0) {
        // One that vanishes in between leaves the row without a lower device: unlike any wish.
        found->link.row->lower = name_of(found->lower).value_or("");
    }
    return &known_.emplace(name, std::move(found->link)).first->second;
}

Result<std::vector<KnownLink>> LinkTable::list() {
    NetlinkBatch batch;
    add_question(batch, NLM_F_DUMP);
    std::vector<ReadLink> found;
    std::map<std::uint32_t, std::string> names;
    const Result<void> asked = socket_->query(batch, [&](const nlmsghdr& message) {
        std::optional<ReadLink> each = read_known(message);
        if (!each) return;
        names.emplace(each->link.index(), each->link.facts.name);
        found.push_back(std::move(*each));
    });
    if (!asked) return std::unexpected(asked.error());
    std::vector<KnownLink> links;
    for (ReadLink& each : found) {
        const auto lower = names.find(each.lower);
        if (each.lower != 0 && lower != names.end()) each.link.row->lower = lower->second;
        links.push_back(std::move(each.link));
    }
    std::ranges::sort(links, {}, [](const KnownLink& link) { return link.facts.name; });
    return links;
}

}  // namespace overlab::real
