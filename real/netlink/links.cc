#include "real/netlink/links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "models/base/check.h"
#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

constexpr std::uint16_t create_only = NLM_F_CREATE | NLM_F_EXCL;
constexpr std::uint16_t create_or_replace = NLM_F_CREATE | NLM_F_REPLACE;

Result<void> bad_name(const std::string& name) {
    if (!name.empty() && name.size() < IFNAMSIZ) return {};
    return fail(ErrorKind::invalid_argument,
                fmt::format("link {}: a name has 1 to {} characters", name, IFNAMSIZ - 1));
}

/// RTM_SETLINK of the named interface.
nlmsghdr* set_link(NetlinkBatch& batch, const std::string& name) {
    nlmsghdr* const message = batch.add(RTM_SETLINK, 0, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, name);
    return message;
}

void put_end(nlmsghdr* message, const VethEnd& end, const Netns& netns) {
    put_text(message, IFLA_IFNAME, end.name);
    put_u32(message, IFLA_MTU, end.mtu);
    if (end.mac.bits != 0) put_mac(message, IFLA_ADDRESS, end.mac);
    put_u32(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.fd()));
}

/// The rest of a message begins with a structure that is no attribute.
void put_blank_ifinfomsg(nlmsghdr* message) {
    std::memset(reinterpret_cast<char*>(message) + message->nlmsg_len, 0, sizeof(ifinfomsg));
    message->nlmsg_len += static_cast<std::uint32_t>(NLMSG_ALIGN(sizeof(ifinfomsg)));
}

LinkCounters counters_of(const Attributes& attributes) {
    const std::span<const char> bytes = attributes.bytes(IFLA_STATS64);
    rtnl_link_stats64 stats{};
    std::memcpy(&stats, bytes.data(), std::min(bytes.size(), sizeof stats));
    return {.sent_packets = stats.tx_packets,
            .sent_bytes = stats.tx_bytes,
            .sent_dropped = stats.tx_dropped,
            .received_packets = stats.rx_packets,
            .received_bytes = stats.rx_bytes,
            .received_dropped = stats.rx_dropped};
}

}  // namespace

std::optional<LinkFacts> read_link(const nlmsghdr& message) {
    const auto* const header = family_header_of<ifinfomsg>(message);
    if (message.nlmsg_type != RTM_NEWLINK || header == nullptr) return std::nullopt;
    const Attributes attributes(message, sizeof(ifinfomsg));
    return LinkFacts{
        .name = std::string(attributes.text(IFLA_IFNAME)),
        .index = static_cast<std::uint32_t>(header->ifi_index),
        .kind = std::string(attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND)),
        .alias = std::string(attributes.text(IFLA_IFALIAS)),
        .mac = attributes.mac(IFLA_ADDRESS).value_or(MacAddress{}),
        .mtu = attributes.u32(IFLA_MTU).value_or(0),
        .up = (header->ifi_flags & IFF_UP) != 0,
        .master = attributes.u32(IFLA_MASTER).value_or(0),
        .counters = counters_of(attributes),
    };
}

namespace {

std::string sysctl_path(std::string_view key) { return fmt::format("/proc/sys/{}", key); }

std::unexpected<Error> no_sysctl(std::string_view key, int code) {
    const ErrorKind kind = code == ENOENT                    ? ErrorKind::not_found
                           : code == EACCES || code == EPERM ? ErrorKind::unsupported
                                                             : ErrorKind::invalid_argument;
    return fail(kind, fmt::format("sysctl {}: {}", key, std::strerror(code)), code);
}

}  // namespace

Links::Links(NetlinkSocket socket, const Netns& netns)
    : socket_(std::move(socket)), netns_(&netns) {}

Result<Links> Links::open(const Netns& netns) {
    OVERLAB_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, &netns));
    return Links(std::move(socket), netns);
}

Result<void> Links::run(std::string_view object, NetlinkBatch& batch) {
    Result<void> done = socket_.execute_one(batch);
    if (!done) done.error().what = fmt::format("{}: {}", object, done.error().what);
    return done;
}

// ---- interfaces ----

Result<void> Links::add_veth(const VethEnd& here, const VethEnd& there, const Netns& there_netns) {
    for (const VethEnd* end : {&here, &there}) {
        Result<void> named = bad_name(end->name);
        if (!named) return named;
    }
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_NEWLINK, create_only, sizeof(ifinfomsg));
    put_end(message, here, *netns_);
    {
        const Nest info(message, IFLA_LINKINFO);
        put_text(message, IFLA_INFO_KIND, "veth");
        const Nest data(message, IFLA_INFO_DATA);
        const Nest peer(message, VETH_INFO_PEER);
        put_blank_ifinfomsg(message);
        put_end(message, there, there_netns);
    }
    return run(fmt::format("link {}", here.name), batch);
}

Result<void> Links::add_bridge(const std::string& name, std::uint32_t mtu, MacAddress mac) {
    Result<void> named = bad_name(name);
    if (!named) return named;
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_NEWLINK, create_only, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, name);
    if (mac.bits != 0) put_mac(message, IFLA_ADDRESS, mac);
    {
        const Nest info(message, IFLA_LINKINFO);
        put_text(message, IFLA_INFO_KIND, "bridge");
        const Nest data(message, IFLA_INFO_DATA);
        put_u32(message, IFLA_BR_STP_STATE, 0);
        put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
        put_u8(message, IFLA_BR_MCAST_SNOOPING, 0);
    }
    const Result<void> made = run(fmt::format("link {}", name), batch);
    // Only an MTU that is set later keeps the bridge from following its ports (br_change_mtu).
    return made ? set_mtu(name, mtu) : made;
}

Result<void> Links::remove(const std::string& name) {
    NetlinkBatch batch;
    put_text(batch.add(RTM_DELLINK, 0, sizeof(ifinfomsg)), IFLA_IFNAME, name);
    Result<void> done = run(fmt::format("link {}", name), batch);
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

Result<void> Links::set_master(const std::string& name, const std::string& bridge) {
    std::uint32_t master = 0;
    if (!bridge.empty()) {
        OVERLAB_TRY(master, index_of(bridge));
    }
    NetlinkBatch batch;
    put_u32(set_link(batch, name), IFLA_MASTER, master);
    return run(fmt::format("link {} in bridge {}", name, bridge), batch);
}

Result<void> Links::set_up(const std::string& name, bool up) {
    NetlinkBatch batch;
    auto& header = NetlinkBatch::family_header<ifinfomsg>(set_link(batch, name));
    header.ifi_flags = up ? IFF_UP : 0;
    header.ifi_change = IFF_UP;
    return run(fmt::format("link {} {}", name, up ? "up" : "down"), batch);
}

Result<void> Links::set_mtu(const std::string& name, std::uint32_t mtu) {
    NetlinkBatch batch;
    put_u32(set_link(batch, name), IFLA_MTU, mtu);
    return run(fmt::format("link {} mtu {}", name, mtu), batch);
}

Result<void> Links::set_alias(const std::string& name, std::string_view alias) {
    NetlinkBatch batch;
    put_text(set_link(batch, name), IFLA_IFALIAS, alias);
    return run(fmt::format("link {} alias {}", name, alias), batch);
}

// ---- addresses, routes, neighbours ----

namespace {

void put_interface_address(nlmsghdr* message, std::uint32_t index, Ipv4Address address,
                           unsigned prefix_length) {
    auto& header = NetlinkBatch::family_header<ifaddrmsg>(message);
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = static_cast<std::uint8_t>(prefix_length);
    header.ifa_index = index;
    put_ipv4(message, IFA_LOCAL, address);
    put_ipv4(message, IFA_ADDRESS, address);
    if (prefix_length < 31) {
        put_ipv4(message, IFA_BROADCAST, {address.bits | ~Ipv4Prefix::mask_of(prefix_length)});
    }
}

nlmsghdr* add_route_message(NetlinkBatch& batch, std::uint16_t type, std::uint16_t flags,
                            Ipv4Prefix destination, std::uint32_t metric) {
    nlmsghdr* const message = batch.add(type, flags, sizeof(rtmsg));
    auto& header = NetlinkBatch::family_header<rtmsg>(message);
    header.rtm_family = AF_INET;
    header.rtm_dst_len = destination.length;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = RTN_UNICAST;
    header.rtm_scope = RT_SCOPE_NOWHERE;
    put_ipv4(message, RTA_DST, destination.network);
    if (metric != 0) put_u32(message, RTA_PRIORITY, metric);
    return message;
}

/// rtnexthop is no attribute, though it has attributes of its own behind it.
void put_multipath_hop(nlmsghdr* message, std::uint32_t index, const NextHop& hop) {
    const std::size_t start = message->nlmsg_len;
    char* const bytes = reinterpret_cast<char*>(message);
    std::memset(bytes + start, 0, sizeof(rtnexthop));
    message->nlmsg_len += static_cast<std::uint32_t>(NLMSG_ALIGN(sizeof(rtnexthop)));
    if (hop.gateway) put_ipv4(message, RTA_GATEWAY, *hop.gateway);
    auto* const header = reinterpret_cast<rtnexthop*>(bytes + start);
    header->rtnh_len = static_cast<std::uint16_t>(message->nlmsg_len - start);
    header->rtnh_flags = hop.onlink ? RTNH_F_ONLINK : 0;
    header->rtnh_ifindex = static_cast<int>(index);
}

}  // namespace

Result<void> Links::add_address(const std::string& name, Ipv4Address address,
                                unsigned prefix_length) {
    CHECK(prefix_length <= 32);
    OVERLAB_TRY(const std::uint32_t index, index_of(name));
    NetlinkBatch batch;
    put_interface_address(batch.add(RTM_NEWADDR, create_or_replace, sizeof(ifaddrmsg)), index,
                          address, prefix_length);
    return run(fmt::format("addr {}/{} dev {}", address.to_string(), prefix_length, name), batch);
}

Result<void> Links::remove_address(const std::string& name, Ipv4Address address,
                                   unsigned prefix_length) {
    OVERLAB_TRY(const std::uint32_t index, index_of(name));
    NetlinkBatch batch;
    put_interface_address(batch.add(RTM_DELADDR, 0, sizeof(ifaddrmsg)), index, address,
                          prefix_length);
    Result<void> done =
        run(fmt::format("addr {}/{} dev {}", address.to_string(), prefix_length, name), batch);
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

Result<void> Links::set_route(Ipv4Prefix destination, std::span<const NextHop> hops,
                              std::uint32_t metric) {
    CHECK(!hops.empty());
    std::vector<std::uint32_t> indexes;
    for (const NextHop& hop : hops) {
        OVERLAB_TRY(const std::uint32_t index, index_of(hop.link));
        indexes.push_back(index);
    }
    NetlinkBatch batch;
    nlmsghdr* const message =
        add_route_message(batch, RTM_NEWROUTE, create_or_replace, destination, metric);
    auto& header = NetlinkBatch::family_header<rtmsg>(message);
    header.rtm_scope = hops.front().gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    if (hops.size() == 1) {
        if (hops[0].gateway) put_ipv4(message, RTA_GATEWAY, *hops[0].gateway);
        if (hops[0].onlink) header.rtm_flags |= RTNH_F_ONLINK;
        put_u32(message, RTA_OIF, indexes[0]);
    } else {
        const Nest multipath(message, RTA_MULTIPATH);
        for (std::size_t i = 0; i < hops.size(); ++i) {
            put_multipath_hop(message, indexes[i], hops[i]);
        }
    }
    return run(fmt::format("route {}", destination.to_string()), batch);
}

Result<void> Links::remove_route(Ipv4Prefix destination, std::uint32_t metric) {
    NetlinkBatch batch;
    add_route_message(batch, RTM_DELROUTE, 0, destination, metric);
    Result<void> done = run(fmt::format("route {}", destination.to_string()), batch);
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

Result<void> Links::set_neighbour(const std::string& name, Ipv4Address address, MacAddress mac) {
    OVERLAB_TRY(const std::uint32_t index, index_of(name));
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_NEWNEIGH, create_or_replace, sizeof(ndmsg));
    auto& header = NetlinkBatch::family_header<ndmsg>(message);
    header.ndm_family = AF_INET;
    header.ndm_ifindex = static_cast<int>(index);
    header.ndm_state = NUD_PERMANENT;
    put_ipv4(message, NDA_DST, address);
    put_mac(message, NDA_LLADDR, mac);
    return run(fmt::format("neigh {} dev {}", address.to_string(), name), batch);
}

// ---- settings ----

Result<void> Links::set_sysctl(std::string_view key, std::string_view value) {
    // The kernel looks settings up in the namespace of the thread that opens the file.
    const NetnsScope there(*netns_);
    const Fd file(::open(sysctl_path(key).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid()) return no_sysctl(key, errno);
    const ssize_t written = ::write(file.get(), value.data(), value.size());
    if (written != static_cast<ssize_t>(value.size())) return no_sysctl(key, errno);
    return {};
}

Result<std::string> Links::sysctl(std::string_view key) {
    const NetnsScope there(*netns_);
    const Fd file(::open(sysctl_path(key).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return no_sysctl(key, errno);
    std::array<char, 256> text{};
    const ssize_t size = ::read(file.get(), text.data(), text.size());
    if (size < 0) return no_sysctl(key, errno);
    std::string value(text.data(), static_cast<std::size_t>(size));
    while (!value.empty() && value.back() == '\n') value.pop_back();
    return value;
}

// ---- questions ----

Result<LinkFacts> Links::facts(const std::string& name) {
    Result<void> named = bad_name(name);
    if (!named) return std::unexpected(named.error());
    NetlinkBatch batch;
    put_text(batch.add(RTM_GETLINK, 0, sizeof(ifinfomsg)), IFLA_IFNAME, name);
    std::optional<LinkFacts> found;
    const Result<void> asked = socket_.query(batch, [&](const nlmsghdr& message) {
        if (!found) found = read_link(message);
    });
    if (!asked) {
        return fail(asked.error().kind, fmt::format("link {}: {}", name, asked.error().what),
                    asked.error().os_errno);
    }
    if (!found) return fail(ErrorKind::not_found, fmt::format("link {}: no answer", name));
    return std::move(*found);
}

Result<std::uint32_t> Links::index_of(const std::string& name) {
    OVERLAB_TRY(const LinkFacts found, facts(name));
    return found.index;
}

Result<std::vector<LinkFacts>> Links::list() {
    NetlinkBatch batch;
    batch.add(RTM_GETLINK, NLM_F_DUMP, sizeof(ifinfomsg));
    std::vector<LinkFacts> found;
    const Result<void> asked = socket_.query(batch, [&](const nlmsghdr& message) {
        if (std::optional<LinkFacts> facts = read_link(message)) found.push_back(std::move(*facts));
    });
    if (!asked) return std::unexpected(asked.error());
    std::ranges::sort(found, {}, &LinkFacts::index);
    return found;
}

}  // namespace overlab::real
