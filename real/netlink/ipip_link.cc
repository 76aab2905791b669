#include "real/netlink/ipip_link.h"

#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>

#include "real/netlink/attributes.h"

namespace overlab::real {

void put_ipip(NetlinkBatch& batch, const LinkRow& row) {
    nlmsghdr* const message = batch.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, row.name);
    put_u32(message, IFLA_MTU, row.mtu);
    const Nest info(message, IFLA_LINKINFO);
    put_text(message, IFLA_INFO_KIND, "ipip");
    const Nest data(message, IFLA_INFO_DATA);
    put_ipv4(message, IFLA_IPTUN_LOCAL, row.local);
    // The library that flannel uses sends a zero here. Then a packet that may be fragmented stays
    // so, and one that may not still learns the path's MTU (ip_tunnel_xmit).
    put_u8(message, IFLA_IPTUN_PMTUDISC, 0);
    put_u8(message, IFLA_IPTUN_TTL, 0);  // inherit
}

std::optional<LinkRow> read_ipip(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWLINK) return std::nullopt;
    const Attributes link(message, sizeof(ifinfomsg));
    const Attributes info = link.nested(IFLA_LINKINFO);
    if (info.text(IFLA_INFO_KIND) != "ipip") return std::nullopt;
    const Attributes data = info.nested(IFLA_INFO_DATA);
    LinkRow row;
    row.name = link.text(IFLA_IFNAME);
    row.kind = LinkRow::Kind::ipip;
    const bool as_put = data.ipv4(IFLA_IPTUN_REMOTE).value_or(Ipv4Address{}).is_unspecified() &&
                        data.u8(IFLA_IPTUN_PMTUDISC).value_or(0) == 0 &&
                        data.u8(IFLA_IPTUN_TTL).value_or(0) == 0;
    if (as_put) row.local = data.ipv4(IFLA_IPTUN_LOCAL).value_or(Ipv4Address{});
    return row;
}

}  // namespace overlab::real
