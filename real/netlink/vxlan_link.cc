#include "real/netlink/vxlan_link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "real/netlink/attributes.h"

namespace overlab::real {

void put_vxlan(NetlinkBatch& batch, const LinkRow& row, std::uint32_t lower) {
    nlmsghdr* const message = batch.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, row.name);
    put_u32(message, IFLA_MTU, row.mtu);
    // A MAC that is set at creation is `set by user` (addr_assign_type), which keeps udev's
    // MACAddressPolicy away from it.
    put_mac(message, IFLA_ADDRESS, row.mac);
    const Nest info(message, IFLA_LINKINFO);
    put_text(message, IFLA_INFO_KIND, "vxlan");
    const Nest data(message, IFLA_INFO_DATA);
    put_u32(message, IFLA_VXLAN_ID, row.vni);
    put_u32(message, IFLA_VXLAN_LINK, lower);
    put_ipv4(message, IFLA_VXLAN_LOCAL, row.local);
    put_u16_be(message, IFLA_VXLAN_PORT, row.port);
    put_u8(message, IFLA_VXLAN_LEARNING, row.learning ? 1 : 0);
}

std::optional<VxlanLink> read_vxlan(const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWLINK) return std::nullopt;
    const Attributes link(message, sizeof(ifinfomsg));
    const Attributes info = link.nested(IFLA_LINKINFO);
    if (info.text(IFLA_INFO_KIND) != "vxlan") return std::nullopt;
    const Attributes data = info.nested(IFLA_INFO_DATA);
    const auto vni = data.u32(IFLA_VXLAN_ID);
    const auto port = data.u16_be(IFLA_VXLAN_PORT);
    if (!vni || !port) return std::nullopt;
    VxlanLink found;
    found.row.name = link.text(IFLA_IFNAME);
    found.row.kind = LinkRow::Kind::vxlan;
    found.row.local = data.ipv4(IFLA_VXLAN_LOCAL).value_or(Ipv4Address{});
    found.row.vni = *vni;
    found.row.port = *port;
    found.row.mtu = link.u32(IFLA_MTU).value_or(0);
    found.row.mac = link.mac(IFLA_ADDRESS).value_or(MacAddress{});
    found.row.learning = data.u8(IFLA_VXLAN_LEARNING).value_or(0) != 0;
    found.lower = data.u32(IFLA_VXLAN_LINK).value_or(0);
    return found;
}

}  // namespace overlab::real
