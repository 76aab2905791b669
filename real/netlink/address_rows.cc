#include "real/netlink/address_rows.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "real/netlink/attributes.h"

namespace overlab::real {

void put_address(NetlinkBatch& batch, RowChange::Action action, const AddressRow& row,
                 std::uint32_t link) {
    const bool install = action == RowChange::Action::install;
    nlmsghdr* const message =
        batch.add(install ? RTM_NEWADDR : RTM_DELADDR, install ? NLM_F_CREATE | NLM_F_REPLACE : 0,
                  sizeof(ifaddrmsg));
    auto& header = NetlinkBatch::family_header<ifaddrmsg>(message);
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = row.prefix.length;
    header.ifa_index = link;
    put_ipv4(message, IFA_LOCAL, row.prefix.network);
    put_ipv4(message, IFA_ADDRESS, row.prefix.network);
}

namespace {

struct InterfaceAddress {
    Ipv4Address address;
    std::uint8_t prefix_length = 0;
};

Result<std::vector<InterfaceAddress>> read_all(NetlinkSocket& socket, std::uint32_t link) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(RTM_GETADDR, NLM_F_DUMP, sizeof(ifaddrmsg));
    auto& wanted = NetlinkBatch::family_header<ifaddrmsg>(question);
    wanted.ifa_family = AF_INET;
    wanted.ifa_index = link;  // Filters in the kernel, where it can.
    std::vector<InterfaceAddress> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        const auto* const header = family_header_of<ifaddrmsg>(message);
        if (message.nlmsg_type != RTM_NEWADDR || header == nullptr || header->ifa_index != link) {
            return;
        }
        const auto address = Attributes(message, sizeof(ifaddrmsg)).ipv4(IFA_LOCAL);
        if (address && header->ifa_prefixlen <= 32) {
            found.push_back({*address, header->ifa_prefixlen});
        }
    });
    if (!asked) return std::unexpected(asked.error());
    return found;
}

}  // namespace

Result<bool> has_address(NetlinkSocket& socket, std::uint32_t link, Ipv4Address address) {
    OVERLAB_TRY(const std::vector<InterfaceAddress> found, read_all(socket, link));
    return std::ranges::find(found, address, &InterfaceAddress::address) != found.end();
}

Result<std::vector<AddressRow>> read_addresses(NetlinkSocket& socket, std::uint32_t link,
                                               const LinkName& name) {
    OVERLAB_TRY(const std::vector<InterfaceAddress> found, read_all(socket, link));
    std::vector<AddressRow> rows;
    for (const InterfaceAddress& each : found) {
        rows.push_back({name, Ipv4Prefix::of(each.address, each.prefix_length)});
    }
    std::ranges::sort(rows, {}, &AddressRow::prefix);
    return rows;
}

}  // namespace overlab::real
