#include "real/netlink/policy_rows.h"

#include <arpa/inet.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

using Direction = PolicyRow::Direction;

std::uint8_t kernel_direction(Direction direction) {
    switch (direction) {
        case Direction::out:
            return XFRM_POLICY_OUT;
        case Direction::in:
            return XFRM_POLICY_IN;
        case Direction::fwd:
            return XFRM_POLICY_FWD;
    }
    return XFRM_POLICY_OUT;
}

std::optional<Direction> row_direction(std::uint8_t direction) {
    switch (direction) {
        case XFRM_POLICY_OUT:
            return Direction::out;
        case XFRM_POLICY_IN:
            return Direction::in;
        case XFRM_POLICY_FWD:
            return Direction::fwd;
        default:  // A socket's own policy.
            return std::nullopt;
    }
}

xfrm_selector selector_of(const PolicyRow& row) {
    xfrm_selector selector{};
    selector.family = AF_INET;
    selector.saddr.a4 = network_order(row.source.network);
    selector.daddr.a4 = network_order(row.destination.network);
    selector.prefixlen_s = row.source.length;
    selector.prefixlen_d = row.destination.length;
    return selector;
}

xfrm_lifetime_cfg no_limits() {
    xfrm_lifetime_cfg limits{};
    limits.soft_byte_limit = limits.hard_byte_limit = XFRM_INF;
    limits.soft_packet_limit = limits.hard_packet_limit = XFRM_INF;
    return limits;
}

void put_template(nlmsghdr* message, const PolicyRow& row) {
    xfrm_user_tmpl wanted{};
    wanted.id.proto = IPPROTO_ESP;
    wanted.id.daddr.a4 = network_order(row.tunnel_destination);
    wanted.saddr.a4 = network_order(row.tunnel_source);
    wanted.family = AF_INET;
    wanted.reqid = row.reqid;
    wanted.mode = XFRM_MODE_TUNNEL;
    wanted.aalgos = wanted.ealgos = wanted.calgos = ~0U;
    put_bytes(message, XFRMA_TMPL, std::as_bytes(std::span(&wanted, 1)));
}

/// The row that a policy message spells; empty if no row could.
std::optional<PolicyRow> read_policy(const nlmsghdr& message) {
    const auto* const info = family_header_of<xfrm_userpolicy_info>(message);
    if (message.nlmsg_type != XFRM_MSG_NEWPOLICY || info == nullptr) return std::nullopt;
    const std::optional<Direction> direction = row_direction(info->dir);
    const std::span<const char> bytes =
        Attributes(message, sizeof(xfrm_userpolicy_info)).bytes(XFRMA_TMPL);
    if (!direction || info->sel.family != AF_INET || info->action != XFRM_POLICY_ALLOW ||
        info->sel.prefixlen_s > 32 || info->sel.prefixlen_d > 32 ||
        bytes.size() != sizeof(xfrm_user_tmpl)) {
        return std::nullopt;
    }
    xfrm_user_tmpl through{};
    std::memcpy(&through, bytes.data(), sizeof through);
    if (through.id.proto != IPPROTO_ESP || through.mode != XFRM_MODE_TUNNEL ||
        through.family != AF_INET) {
        return std::nullopt;
    }
    return PolicyRow{
        *direction,
        Ipv4Prefix::of(address_from_network_order(info->sel.saddr.a4), info->sel.prefixlen_s),
        Ipv4Prefix::of(address_from_network_order(info->sel.daddr.a4), info->sel.prefixlen_d),
        address_from_network_order(through.saddr.a4),
        address_from_network_order(through.id.daddr.a4),
        through.reqid};
}

std::optional<SaRow> read_association(const nlmsghdr& message) {
    const auto* const info = family_header_of<xfrm_usersa_info>(message);
    if (message.nlmsg_type != XFRM_MSG_NEWSA || info == nullptr || info->family != AF_INET ||
        info->id.proto != IPPROTO_ESP) {
        return std::nullopt;
    }
    SaRow row{.source = address_from_network_order(info->saddr.a4),
              .destination = address_from_network_order(info->id.daddr.a4),
              .spi = ntohl(info->id.spi),
              .reqid = info->reqid};
    const std::span<const char> bytes =
        Attributes(message, sizeof(xfrm_usersa_info)).bytes(XFRMA_ENCAP);
    if (bytes.size() >= sizeof(xfrm_encap_tmpl)) {
        xfrm_encap_tmpl encap{};
        std::memcpy(&encap, bytes.data(), sizeof encap);
        row.encap_port = ntohs(encap.encap_dport);
    }
    return row;
}

}  // namespace

void put_policy(NetlinkBatch& batch, PolicyChange change, const PolicyRow& row) {
    if (change == PolicyChange::remove) {
        nlmsghdr* const message = batch.add(XFRM_MSG_DELPOLICY, 0, sizeof(xfrm_userpolicy_id));
        auto& id = NetlinkBatch::family_header<xfrm_userpolicy_id>(message);
        id.sel = selector_of(row);
        id.dir = kernel_direction(row.direction);
        return;
    }
    nlmsghdr* const message =
        batch.add(change == PolicyChange::add ? XFRM_MSG_NEWPOLICY : XFRM_MSG_UPDPOLICY, 0,
                  sizeof(xfrm_userpolicy_info));
    auto& info = NetlinkBatch::family_header<xfrm_userpolicy_info>(message);
    info.sel = selector_of(row);
    info.lft = no_limits();
    info.dir = kernel_direction(row.direction);
    info.action = XFRM_POLICY_ALLOW;
    info.share = XFRM_SHARE_ANY;
    // The smallest number wins; where selectors overlap, the longer prefixes shall.
    info.priority = 64U - row.source.length - row.destination.length;
    put_template(message, row);
}

Result<std::optional<PolicyRow>> ask_policy(NetlinkSocket& socket, const PolicyRow& key) {
    NetlinkBatch request;
    nlmsghdr* const question = request.add(XFRM_MSG_GETPOLICY, 0, sizeof(xfrm_userpolicy_id));
    auto& id = NetlinkBatch::family_header<xfrm_userpolicy_id>(question);
    id.sel = selector_of(key);
    id.dir = kernel_direction(key.direction);
    std::optional<PolicyRow> found;
    const Result<void> asked =
        socket.query(request, [&](const nlmsghdr& message) { found = read_policy(message); });
    if (!asked) return std::unexpected(asked.error());
    return found;
}

Result<std::vector<PolicyRow>> read_policies(NetlinkSocket& socket, std::uint32_t reqid) {
    NetlinkBatch request;
    request.add(XFRM_MSG_GETPOLICY, NLM_F_DUMP, 0);
    std::vector<PolicyRow> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        const std::optional<PolicyRow> row = read_policy(message);
        if (row && row->reqid == reqid) found.push_back(*row);
    });
    if (!asked) return std::unexpected(asked.error());
    std::ranges::sort(found, {}, [](const PolicyRow& row) {
        return std::tuple(row.direction, row.source, row.destination);
    });
    return found;
}

Result<std::vector<SaRow>> read_associations(NetlinkSocket& socket) {
    NetlinkBatch request;
    request.add(XFRM_MSG_GETSA, NLM_F_DUMP, 0);
    std::vector<SaRow> found;
    const Result<void> asked = socket.query(request, [&](const nlmsghdr& message) {
        if (const std::optional<SaRow> row = read_association(message)) found.push_back(*row);
    });
    if (!asked) return std::unexpected(asked.error());
    std::ranges::sort(found, {}, [](const SaRow& row) {
        return std::tuple(row.source, row.destination, row.spi);
    });
    return found;
}

}  // namespace overlab::real
