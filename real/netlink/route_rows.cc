#include "real/netlink/route_rows.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

nlmsghdr* add_message(NetlinkBatch& batch, std::uint16_t type, std::uint16_t flags,
                      Ipv4Prefix destination, std::uint8_t protocol) {
    nlmsghdr* const message = batch.add(type, flags, sizeof(rtmsg));
    auto& header = NetlinkBatch::family_header<rtmsg>(message);
    header.rtm_family = AF_INET;
    header.rtm_dst_len = destination.length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = protocol;
    header.rtm_type = RTN_UNICAST;
    put_ipv4(message, RTA_DST, destination.network);
    return message;
}

std::optional<KernelRoute> read_route(const nlmsghdr& message) {
    const auto* const header = family_header_of<rtmsg>(message);
    if (message.nlmsg_type != RTM_NEWROUTE || header == nullptr || header->rtm_dst_len > 32 ||
        header->rtm_table != RT_TABLE_MAIN || (header->rtm_flags & RTM_F_CLONED) != 0) {
        return std::nullopt;
    }
    const Attributes attributes(message, sizeof(rtmsg));
    const Ipv4Address network = attributes.ipv4(RTA_DST).value_or(Ipv4Address{});
    return KernelRoute{.destination = Ipv4Prefix::of(network, header->rtm_dst_len),
                       .link = attributes.u32(RTA_OIF).value_or(0),
                       .gateway = attributes.ipv4(RTA_GATEWAY),
                       .onlink = (header->rtm_flags & RTNH_F_ONLINK) != 0,
                       .protocol = header->rtm_protocol};
}

}  // namespace

void put_route(NetlinkBatch& batch, const RouteRow& row, std::uint32_t link, std::uint8_t protocol,
               Present present) {
    const int flags = NLM_F_CREATE | (present == Present::refuse ? NLM_F_EXCL : NLM_F_REPLACE);
    nlmsghdr* const message = add_message(batch, RTM_NEWROUTE, static_cast<std::uint16_t>(flags),
                                          row.destination, protocol);
    auto& header = NetlinkBatch::family_header<rtmsg>(message);
    header.rtm_scope = row.gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (row.onlink) header.rtm_flags |= RTNH_F_ONLINK;
    put_u32(message, RTA_PRIORITY, metric_of(row.destination));
    if (row.gateway) put_ipv4(message, RTA_GATEWAY, *row.gateway);
    put_u32(message, RTA_OIF, link);
}

void put_route_deletion(NetlinkBatch& batch, Ipv4Prefix destination, std::uint8_t protocol) {
    nlmsghdr* const message = add_message(batch, RTM_DELROUTE, 0, destination, protocol);
    NetlinkBatch::family_header<rtmsg>(message).rtm_scope = RT_SCOPE_NOWHERE;  // Any.
}

Result<std::vector<KernelRoute>> read_routes(NetlinkSocket& socket) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(RTM_GETROUTE, NLM_F_DUMP, sizeof(rtmsg));
    auto& header = NetlinkBatch::family_header<rtmsg>(question);
    header.rtm_family = AF_INET;
    header.rtm_table = RT_TABLE_MAIN;
    std::vector<KernelRoute> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        if (const auto route = read_route(message)) found.push_back(*route);
    });
    // A namespace that never had a route has no main table.
    if (!asked && asked.error().kind != ErrorKind::not_found) {
        return std::unexpected(asked.error());
    }
    std::ranges::sort(found, {}, &KernelRoute::destination);
    return found;
}

Result<bool> ask_on_link(NetlinkSocket& socket, Ipv4Address address) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(RTM_GETROUTE, 0, sizeof(rtmsg));
    auto& header = NetlinkBatch::family_header<rtmsg>(question);
    header.rtm_family = AF_INET;
    header.rtm_dst_len = 32;
    header.rtm_flags = RTM_F_FIB_MATCH;  // The table's entry: its prefix and all its next hops.
    put_ipv4(question, RTA_DST, address);
    std::optional<bool> on_link;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        const auto* const route = family_header_of<rtmsg>(message);
        if (message.nlmsg_type != RTM_NEWROUTE || route == nullptr) return;
        if (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_LOCAL) return;
        const Attributes attributes(message, sizeof(rtmsg));
        const bool gateway =
            attributes.has(RTA_GATEWAY) || attributes.has(RTA_VIA) || attributes.has(RTA_MULTIPATH);
        on_link = !gateway && route->rtm_dst_len > 0;
    });
    if (on_link) return *on_link;
    const std::string name = address.to_string();
    if (!asked && asked.error().kind == ErrorKind::unavailable) {
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", name, asked.error().what));
    }
    return fail(ErrorKind::not_found, fmt::format("{}: no route", name));
}

}  // namespace overlab::real
