#include "real/netlink/neighbour_rows.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

using Action = RowChange::Action;

nlmsghdr* add_message(NetlinkBatch& batch, Action action, std::uint8_t family, std::uint32_t link) {
    const bool install = action == Action::install;
    nlmsghdr* const message = batch.add(install ? RTM_NEWNEIGH : RTM_DELNEIGH,
                                        install ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof(ndmsg));
    auto& header = NetlinkBatch::family_header<ndmsg>(message);
    header.ndm_family = family;
    header.ndm_ifindex = static_cast<int>(link);
    header.ndm_state = NUD_PERMANENT;
    return message;
}

bool is_permanent(const nlmsghdr& message, std::uint8_t family, std::uint32_t link) {
    const auto* const header = family_header_of<ndmsg>(message);
    return message.nlmsg_type == RTM_NEWNEIGH && header != nullptr &&
           header->ndm_family == family && header->ndm_ifindex == static_cast<int>(link) &&
           (header->ndm_state & NUD_PERMANENT) != 0;
}

}  // namespace

void put_neighbour(NetlinkBatch& batch, Action action, const NeighbourRow& row,
                   std::uint32_t link) {
    nlmsghdr* const message = add_message(batch, action, AF_INET, link);
    put_ipv4(message, NDA_DST, row.address);
    if (action == Action::install) put_mac(message, NDA_LLADDR, row.mac);
}

void put_fdb(NetlinkBatch& batch, Action action, const FdbRow& row, std::uint32_t link) {
    nlmsghdr* const message = add_message(batch, action, AF_BRIDGE, link);
    NetlinkBatch::family_header<ndmsg>(message).ndm_flags = NTF_SELF;
    put_mac(message, NDA_LLADDR, row.mac);
    // Without a destination the kernel takes the MAC's whole entry (__vxlan_fdb_delete).
    if (action == Action::install) put_ipv4(message, NDA_DST, row.destination);
}

Result<std::vector<NeighbourRow>> read_neighbours(NetlinkSocket& socket, std::uint32_t link,
                                                  const LinkName& name) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(RTM_GETNEIGH, NLM_F_DUMP, sizeof(ndmsg));
    NetlinkBatch::family_header<ndmsg>(question).ndm_family = AF_INET;
    put_u32(question, NDA_IFINDEX, link);  // Filters in the kernel, where it can.
    std::vector<NeighbourRow> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        if (!is_permanent(message, AF_INET, link)) return;
        const Attributes attributes(message, sizeof(ndmsg));
        const auto address = attributes.ipv4(NDA_DST);
        const auto mac = attributes.mac(NDA_LLADDR);
        if (address && mac) found.push_back({name, *address, *mac});
    });
    if (!asked) return std::unexpected(asked.error());
    std::ranges::sort(found, {}, &NeighbourRow::address);
    return found;
}

Result<std::vector<FdbRow>> read_fdb(NetlinkSocket& socket, std::uint32_t link,
                                     const LinkName& name) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(RTM_GETNEIGH, NLM_F_DUMP, sizeof(ndmsg));
    auto& header = NetlinkBatch::family_header<ndmsg>(question);
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = static_cast<int>(link);
    std::vector<FdbRow> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        if (!is_permanent(message, AF_BRIDGE, link)) return;
        const Attributes attributes(message, sizeof(ndmsg));
        const auto mac = attributes.mac(NDA_LLADDR);
        const auto destination = attributes.ipv4(NDA_DST);
        if (mac && destination) found.push_back({name, *mac, *destination});
    });
    if (!asked) return std::unexpected(asked.error());
    std::ranges::sort(found, {}, &FdbRow::mac);
    return found;
}

}  // namespace overlab::real
