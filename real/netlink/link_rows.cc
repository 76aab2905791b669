#include "real/netlink/link_rows.h"

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

using Kind = LinkRow::Kind;

/// As ForwardingTables: true if one becomes the other without a new device.
bool changes_in_place(const LinkRow& from, const LinkRow& to) {
    return from.kind == to.kind && from.vni == to.vni &&
           (from.port == to.port || from.kind == Kind::wireguard) && from.local == to.local &&
           from.lower == to.lower && from.learning == to.learning;
}

/// The error's text begins with the row.
Result<void> of_row(const LinkRow& row, Result<void> outcome) {
    if (!outcome) {
        outcome.error().what = fmt::format("{}: {}", to_string(Row(row)), outcome.error().what);
    }
    return outcome;
}

}  // namespace

std::optional<LinkRow> LinkRows::tunnel_row(const LinkName& name) const {
    if (tunnel_ == nullptr) return std::nullopt;
    const std::vector<Row> rows = tunnel_->rows();
    for (const Row& row : rows) {
        const auto* const link = std::get_if<LinkRow>(&row);
        if (link != nullptr && link->name == name) return *link;
    }
    return std::nullopt;
}

/// Whether there is what a device like this needs.
Result<void> LinkRows::supports(const LinkRow& row) {
    switch (row.kind) {
        case Kind::vxlan: {
            const auto lower = table_->find(row.lower);
            if (!lower) return std::unexpected(lower.error());
            return {};
        }
        case Kind::tun:
            if (tunnel_ != nullptr) return {};
            return fail(ErrorKind::unsupported, "this host has no user-space tunnel");
        case Kind::wireguard:
            if (wireguard_ != nullptr) return {};
            return fail(ErrorKind::unsupported,
                        "this host has no WireGuard key, or its kernel no "
                        "WireGuard");
        case Kind::ipip:
            break;  // The kernel will say.
    }
    return {};
}

/// The row that would make the device, all of it.
Result<std::optional<LinkRow>> LinkRows::known_row(const KnownLink& link) const {
    if (std::optional<LinkRow> row = tunnel_row(link.facts.name)) {
        row->mtu = link.shown_mtu();
        return row;
    }
    std::optional<LinkRow> row = link.row;
    if (row && row->kind == Kind::wireguard && wireguard_ != nullptr) {
        OVERLAB_TRY(const WireguardDevice device, wireguard_->devices.read(link.facts.name));
        row->port = wireguard_->shown_port(device);
    }
    return row;
}

Result<LinkEffect> LinkRows::effect_of(const LinkRow& row) {
    const std::string text = to_string(Row(row));
    if (const Result<void> able = supports(row); !able) {
        return fail(able.error().kind, fmt::format("{}: {}", text, able.error().what));
    }
    const auto present = table_->find(row.name);
    if (!present && present.error().kind == ErrorKind::not_found) return LinkEffect::replace;
    if (!present)
        return fail(present.error().kind, fmt::format("{}: {}", text, present.error().what));
    if (!(*present)->own && !tunnel_row(row.name)) {
        return fail(ErrorKind::already_exists,
                    fmt::format("{}: {} is the host's own device", text, row.name));
    }
    OVERLAB_TRY(const std::optional<LinkRow> known, known_row(**present));
    if (!known || !changes_in_place(*known, row)) return LinkEffect::replace;
    return *known == row ? LinkEffect::none : LinkEffect::change;
}

Result<void> LinkRows::install(const LinkRow& row, LinkEffect effect) {
    if (effect == LinkEffect::none) return {};
    if (effect == LinkEffect::replace) {
        Result<void> gone = withdraw(row.name);
        if (!gone) return of_row(row, std::move(gone));
    }
    Result<void> done;
    if (row.kind == Kind::tun) {
        done = install_tun(row);
    } else {
        if (effect == LinkEffect::replace) done = create(row);
        if (done) done = configure(row);
        if (done) done = bring_up(row);
    }
    table_->forget();
    if (!done && effect == LinkEffect::replace) {
        // Half a device would be taken for somebody else's. What cannot be removed either shows up
        // in the next dump.
        (void)withdraw(row.name);
    }
    return of_row(row, std::move(done));
}

Result<void> LinkRows::create(const LinkRow& row) {
    NetlinkBatch batch;
    if (row.kind == Kind::vxlan) {
        OVERLAB_TRY(const KnownLink* const lower, table_->find(row.lower));
        put_vxlan(batch, row, lower->index());
    } else if (row.kind == Kind::ipip) {
        put_ipip(batch, row);
    } else {
        put_wireguard(batch, row);
    }
    // RTM_NEWLINK takes no alias; in one system call nobody sees the device without.
    nlmsghdr* const mark = batch.add(RTM_SETLINK, 0, sizeof(ifinfomsg));
    put_text(mark, IFLA_IFNAME, row.name);
    put_text(mark, IFLA_IFALIAS, own_alias);
    const std::vector<Result<void>> outcomes = links_->socket().execute(batch);
    return outcomes[0] ? outcomes[1] : outcomes[0];
}

/// What a device must be told by other ways than RTM_NEWLINK.
Result<void> LinkRows::configure(const LinkRow& row) {
    if (row.kind != Kind::wireguard) return {};
    return wireguard_->devices.configure(row.name, wireguard_->keys.private_key, row.port);
}

Result<void> LinkRows::install_tun(const LinkRow& row) {
    Result<void> made = tunnel_->install_link(row);
    if (!made) return made;
    Result<void> marked = links_->set_alias(row.name, own_alias);
    if (!marked) return marked;
    return bring_up(row);
}

Result<void> LinkRows::bring_up(const LinkRow& row) {
    table_->forget();
    OVERLAB_TRY(const KnownLink* const device, table_->find(row.name));
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_SETLINK, 0, sizeof(ifinfomsg));
    auto& header = NetlinkBatch::family_header<ifinfomsg>(message);
    header.ifi_index = static_cast<int>(device->index());
    header.ifi_flags = header.ifi_change = IFF_UP;
    if (device->facts.mtu != row.mtu) put_u32(message, IFLA_MTU, row.mtu);
    // Even the same MAC, set again, would flush the neighbours (neigh_changeaddr).
    if (row.kind == Kind::vxlan && device->facts.mac != row.mac) {
        put_mac(message, IFLA_ADDRESS, row.mac);
    }
    // Nobody on the overlay shall configure this host. A kernel without IPv6 has no such setting.
    const Result<void> quiet =
        links_->set_sysctl(fmt::format("net/ipv6/conf/{}/accept_ra", row.name), "0");
    if (!quiet && quiet.error().kind != ErrorKind::not_found) return quiet;
    Result<void> done = links_->socket().execute_one(batch);
    if (!done || row.kind != Kind::vxlan) return done;
    OVERLAB_TRY(const LinkFacts after, links_->facts(row.name));
    if (after.mac == row.mac) return {};
    return fail(ErrorKind::unavailable,
                fmt::format("something gave it the MAC {} when it went up; udev's MACAddressPolicy "
                            "must be `none` for it",
                            after.mac.to_string()));
}

Result<void> LinkRows::withdraw(const LinkName& name) {
    const bool in_tunnel = tunnel_row(name).has_value();
    if (in_tunnel) {
        Result<void> gone = tunnel_->withdraw_link(name);
        table_->forget();
        if (!gone) return gone;
    }
    const auto present = table_->find(name);
    if (!present && present.error().kind == ErrorKind::not_found) return {};
    if (!present) return std::unexpected(present.error());
    if (!(*present)->own || in_tunnel) return {};
    NetlinkBatch batch;
    NetlinkBatch::family_header<ifinfomsg>(batch.add(RTM_DELLINK, 0, sizeof(ifinfomsg))).ifi_index =
        static_cast<int>((*present)->index());
    Result<void> done = links_->socket().execute_one(batch);
    table_->forget();
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

std::vector<Row> LinkRows::tunnel_rows(const std::vector<KnownLink>& links) const {
    if (tunnel_ == nullptr) return {};
    std::vector<Row> rows;
    const auto device_of = [&](const LinkName& name) {
        return std::ranges::find_if(
            links, [&](const KnownLink& link) { return link.own && link.facts.name == name; });
    };
    // Without its device, which anybody may delete, a tunnel is worth nothing: then neither is
    // shown.
    for (Row& row : tunnel_->rows()) {
        if (auto* const link = std::get_if<LinkRow>(&row)) {
            const auto device = device_of(link->name);
            if (device == links.end()) continue;
            link->mtu = device->shown_mtu();
            rows.push_back(std::move(row));
        } else if (const auto* const peer = std::get_if<TunnelPeerRow>(&row)) {
            if (device_of(peer->link) != links.end()) rows.push_back(std::move(row));
        }
    }
    return rows;
}

}  // namespace overlab::real
