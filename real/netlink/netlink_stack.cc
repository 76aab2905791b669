#include "real/netlink/netlink_stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "models/backends/ipsec_backend.h"
#include "models/base/check.h"
#include "real/netlink/address_rows.h"
#include "real/netlink/link_rows.h"
#include "real/netlink/link_table.h"
#include "real/netlink/links.h"
#include "real/netlink/neighbour_rows.h"
#include "real/netlink/netlink_socket.h"
#include "real/netlink/nft_filter.h"
#include "real/netlink/policy_rows.h"
#include "real/netlink/policy_writer.h"
#include "real/netlink/row_writer.h"
#include "real/netlink/wireguard_writer.h"

namespace overlab::real {
namespace {

using Action = RowChange::Action;

/// Tables that change while they are read are read again, so many times.
constexpr int max_dump_attempts = 10;

template <typename... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

template <typename T>
void append(std::vector<Row>& rows, std::vector<T>& found) {
    for (T& each : found) rows.emplace_back(std::move(each));
}

/// The link that a row lies on and goes with; null for rows that lie on none.
const LinkName* link_under(const Row& row) {
    return std::visit(Overloaded{[](const AddressRow& each) { return &each.link; },
                                 [](const NeighbourRow& each) { return &each.link; },
                                 [](const FdbRow& each) { return &each.link; },
                                 [](const WireguardPeerRow& each) { return &each.link; },
                                 [](const RouteRow& each) { return &each.link; },
                                 [](const auto&) -> const LinkName* { return nullptr; }},
                      row);
}

}  // namespace

class NetlinkStack::Impl {
   public:
    Impl(Netns netns, HostFacts facts, UdpTunnel* tunnel, NetlinkStackOptions options)
        : netns_(std::move(netns)),
          facts_(std::move(facts)),
          tunnel_(tunnel),
          options_(std::move(options)) {}

    [[nodiscard]] Result<void> open();
    [[nodiscard]] const HostFacts& facts() const { return facts_; }
    [[nodiscard]] Result<ForwardingState> dump();
    void apply(std::span<const RowChange> changes, std::vector<Result<void>>& outcomes);
    [[nodiscard]] NetlinkSocket& route_socket() { return links_->socket(); }
    [[nodiscard]] std::optional<NetlinkSocket>& xfrm_socket() { return xfrm_; }

   private:
    [[nodiscard]] RowWriter writer(std::vector<Result<void>>& outcomes) {
        return {route_socket(),          *table_,  foreign_,
                options_.route_protocol, outcomes, facts_.external_address};
    }
    [[nodiscard]] Result<ForwardingState> dump_once();
    [[nodiscard]] Result<void> dump_on_links(const std::vector<KnownLink>& links,
                                             std::vector<Row>& rows);
    /// The WireGuard devices among `links` as the kernel has them, and their peers.
    struct WireguardRows {
        std::vector<LinkRow> devices;
        std::vector<Row> peers;
    };
    [[nodiscard]] Result<void> open_wireguard();
    [[nodiscard]] Result<WireguardRows> read_wireguard(const std::vector<KnownLink>& links);
    [[nodiscard]] Result<void> dump_routes(const std::vector<KnownLink>& links,
                                           std::vector<Row>& rows);

    [[nodiscard]] Result<void> apply_link(const RowChange& change, const LinkRow& row);
    [[nodiscard]] Result<void> withdraw_address(const RowChange& change, const AddressRow& row);
    [[nodiscard]] Result<void> apply_filter(const RowChange& change, const FilterRow& row);
    [[nodiscard]] Result<void> apply_tunnel_peer(const RowChange& change, const TunnelPeerRow& row);
    template <typename Operation>
    [[nodiscard]] Result<void> keeping_rows_on(const LinkName& link, const Row& changed,
                                               Operation operation);

    Netns netns_;
    HostFacts facts_;
    UdpTunnel* tunnel_;
    NetlinkStackOptions options_;
    std::optional<Links> links_;
    std::optional<NetlinkSocket> xfrm_;  ///< empty: this kernel has no XFRM
    std::optional<NftFilter> filter_;
    std::optional<WireguardSide> wireguard_;  ///< empty: no key, or no WireGuard
    std::optional<LinkTable> table_;
    std::optional<LinkRows> link_rows_;
    ForeignRoutes foreign_;
};

Result<void> NetlinkStack::Impl::open() {
    OVERLAB_TRY(links_, Links::open(netns_));
    auto xfrm = NetlinkSocket::open(NETLINK_XFRM, &netns_);
    if (xfrm) {
        xfrm_ = std::move(*xfrm);
    } else if (xfrm.error().kind != ErrorKind::unsupported) {
        return std::unexpected(xfrm.error());
    }
    OVERLAB_TRY(filter_, NftFilter::open(netns_));
    if (Result<void> opened = open_wireguard(); !opened) return opened;
    table_.emplace(route_socket());
    link_rows_.emplace(*links_, *table_, tunnel_, wireguard_ ? &*wireguard_ : nullptr);
    const auto external = table_->find(facts_.external_link);
    if (!external) {
        return fail(external.error().kind,
                    fmt::format("host {}: external link: {}", facts_.name, external.error().what));
    }
    OVERLAB_TRY(const bool has_it,
                has_address(route_socket(), (*external)->index(), facts_.external_address));
    if (!has_it) {
        return fail(ErrorKind::not_found,
                    fmt::format("host {}: {} does not have address {}", facts_.name,
                                facts_.external_link, facts_.external_address.to_string()));
    }
    return {};
}

Result<void> NetlinkStack::Impl::open_wireguard() {
    if (options_.wireguard_key_file.empty()) return {};
    auto devices = WireguardDevices::open(netns_);
    if (!devices && devices.error().kind == ErrorKind::unsupported) return {};
    if (!devices) return std::unexpected(devices.error());
    OVERLAB_TRY(const WireguardKeyPair keys,
                WireguardKeyPair::load_or_create(options_.wireguard_key_file));
    facts_.wireguard_public_key = keys.public_key.to_string();
    wireguard_.emplace(std::move(*devices), keys);
    return {};
}

// ---- dump ----

Result<ForwardingState> NetlinkStack::Impl::dump() {
    for (int attempt = 1;; ++attempt) {
        Result<ForwardingState> state = dump_once();
        if (state || state.error().kind != ErrorKind::unavailable || attempt == max_dump_attempts) {
            return state;
        }
    }
}

Result<ForwardingState> NetlinkStack::Impl::dump_once() {
    OVERLAB_TRY(const std::vector<KnownLink> links, table_->list());
    std::vector<Row> tunnel = link_rows_->tunnel_rows(links);
    std::vector<Row> rows;
    std::vector<LinkRow> devices;
    for (const KnownLink& link : links) {
        const bool whole = link.row && link.row->kind != LinkRow::Kind::wireguard;
        if (link.own && whole) devices.push_back(*link.row);
    }
    OVERLAB_TRY(WireguardRows wireguard, read_wireguard(links));
    std::ranges::move(wireguard.devices, std::back_inserter(devices));
    for (Row& row : tunnel) {
        if (auto* const device = std::get_if<LinkRow>(&row)) devices.push_back(std::move(*device));
    }
    std::ranges::sort(devices, {}, &LinkRow::name);
    append(rows, devices);
    Result<void> read = dump_on_links(links, rows);
    if (!read) return std::unexpected(read.error());
    for (Row& row : tunnel) {
        if (std::holds_alternative<TunnelPeerRow>(row)) rows.push_back(std::move(row));
    }
    std::ranges::move(wireguard.peers, std::back_inserter(rows));
    if (xfrm_) {
        OVERLAB_TRY(std::vector<PolicyRow> policies, read_policies(*xfrm_, IpsecBackend::reqid));
        append(rows, policies);
    }
    OVERLAB_TRY(std::vector<FilterRow> filters, filter_->rows());
    append(rows, filters);
    read = dump_routes(links, rows);
    if (!read) return std::unexpected(read.error());
    // The kernel can hold what rows cannot say, such as a second destination of one MAC.
    const auto twice = std::unique(rows.begin(), rows.end(), same_key);
    rows.erase(twice, rows.end());
    return ForwardingState::of_sorted(std::move(rows));
}

Result<NetlinkStack::Impl::WireguardRows> NetlinkStack::Impl::read_wireguard(
    const std::vector<KnownLink>& links) {
    WireguardRows found;
    for (const KnownLink& link : links) {
        const bool ours = link.own && link.row && link.row->kind == LinkRow::Kind::wireguard;
        if (!ours) continue;
        found.devices.push_back(*link.row);
        if (!wireguard_) continue;
        auto device = wireguard_->devices.read(link.facts.name);
        // One that goes while it is looked at is seen to be gone by the next look.
        if (!device && device.error().kind == ErrorKind::not_found) continue;
        if (!device) return std::unexpected(device.error());
        found.devices.back().port = wireguard_->shown_port(*device);
        append(found.peers, device->peers);
    }
    return found;
}

Result<void> NetlinkStack::Impl::dump_on_links(const std::vector<KnownLink>& links,
                                               std::vector<Row>& rows) {
    // By kind first, as rows order; each kind by the links' names.
    const auto each_own = [&](auto read) -> Result<void> {
        for (const KnownLink& link : links) {
            if (!link.own) continue;
            OVERLAB_TRY(auto found, read(route_socket(), link.index(), link.facts.name));
            append(rows, found);
        }
        return {};
    };
    Result<void> done = each_own(read_addresses);
    if (done) done = each_own(read_neighbours);
    if (done)
        done = each_own([](NetlinkSocket& socket, std::uint32_t index, const LinkName& name) {
            return read_fdb(socket, index, name);
        });
    return done;
}

Result<void> NetlinkStack::Impl::dump_routes(const std::vector<KnownLink>& links,
                                             std::vector<Row>& rows) {
    OVERLAB_TRY(const std::vector<KernelRoute> routes, read_routes(route_socket()));
    foreign_.learn(routes, options_.route_protocol);
    std::map<std::uint32_t, const LinkName*> names;
    for (const KnownLink& link : links) names.emplace(link.index(), &link.facts.name);
    for (const KernelRoute& route : routes) {
        const auto name = names.find(route.link);
        if (route.protocol != options_.route_protocol || name == names.end()) continue;
        rows.emplace_back(RouteRow{route.destination, *name->second, route.gateway, route.onlink});
    }
    return {};
}

// ---- apply ----

void NetlinkStack::Impl::apply(std::span<const RowChange> changes,
                               std::vector<Result<void>>& outcomes) {
    CHECK(changes.size() == outcomes.size());
    table_->forget();
    RowWriter rows = writer(outcomes);
    std::optional<PolicyWriter> policies;
    if (xfrm_) policies.emplace(*xfrm_, IpsecBackend::reqid, outcomes);
    WireguardWriter peers(wireguard_ ? &*wireguard_ : nullptr, *table_, outcomes);
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const RowChange& change = changes[i];
        const auto refuse = [&](const char* why) {
            outcomes[i] =
                fail(ErrorKind::unsupported, fmt::format("{}: {}", to_string(change.row), why));
        };
        std::visit(
            Overloaded{
                [&](const LinkRow& row) {
                    rows.flush();  // What lies on the link, and what came before it.
                    peers.flush();
                    outcomes[i] = apply_link(change, row);
                },
                [&](const AddressRow& row) {
                    if (change.action == Action::install) return rows.add(i, change);
                    rows.flush();
                    outcomes[i] = withdraw_address(change, row);
                },
                [&](const TunnelPeerRow& row) { outcomes[i] = apply_tunnel_peer(change, row); },
                [&](const PolicyRow& row) {
                    if (!policies) return refuse("this kernel has no XFRM policies");
                    policies->add(i, change, row);
                },
                [&](const WireguardPeerRow& row) { peers.add(i, change, row); },
                [&](const FilterRow& row) { outcomes[i] = apply_filter(change, row); },
                [&](const NeighbourRow&) { rows.add(i, change); },
                [&](const FdbRow&) { rows.add(i, change); },
                [&](const RouteRow&) { rows.add(i, change); },
                [&](const SaRow&) { refuse("associations are the IKE daemon's"); }},
            change.row);
    }
    rows.flush();
    peers.flush();
    if (policies) policies->flush();
}

Result<void> NetlinkStack::Impl::apply_link(const RowChange& change, const LinkRow& row) {
    if (change.action == Action::withdraw) {
        Result<void> gone = link_rows_->withdraw(row.name);
        if (!gone)
            gone.error().what = fmt::format("{}: {}", to_string(change.row), gone.error().what);
        return gone;
    }
    OVERLAB_TRY(const LinkEffect effect, link_rows_->effect_of(row));
    if (effect != LinkEffect::change) return link_rows_->install(row, effect);
    // A new MAC flushes all neighbours (neigh_changeaddr), a new TUN device has no rows at all.
    return keeping_rows_on(row.name, change.row, [&] { return link_rows_->install(row, effect); });
}

Result<void> NetlinkStack::Impl::withdraw_address(const RowChange& change, const AddressRow& row) {
    const auto link = table_->find(row.link);
    if (!link && link.error().kind == ErrorKind::not_found) return {};
    if (link && !(*link)->own) return {};
    // With the last address of a link go its routes and neighbours (fib_disable_ip).
    return keeping_rows_on(row.link, change.row, [&] {
        std::vector<Result<void>> outcome(1);
        RowWriter alone = writer(outcome);
        alone.add(0, change);
        alone.flush();
        return outcome.front();
    });
}

/// Runs `operation` and installs again what it took with it on `link`, but for `changed`.
template <typename Operation>
Result<void> NetlinkStack::Impl::keeping_rows_on(const LinkName& link, const Row& changed,
                                                 Operation operation) {
    const Result<ForwardingState> before = dump();
    Result<void> done = operation();
    if (!done || !before) return done;
    const Result<ForwardingState> after = dump();
    if (!after) return done;  // The next comparison with the plan finds what is missing.
    std::vector<RowChange> lost;
    for (const Row& row : before->rows()) {
        const LinkName* const under = link_under(row);
        if (under == nullptr || *under != link || same_key(row, changed)) continue;
        if (after->find(row) == nullptr) lost.push_back({Action::install, row});
    }
    if (lost.empty()) return done;
    std::vector<Result<void>> outcomes(lost.size());
    apply(lost, outcomes);
    for (Result<void>& outcome : outcomes) {
        if (!outcome) return std::move(outcome);
    }
    return done;
}

Result<void> NetlinkStack::Impl::apply_filter(const RowChange& change, const FilterRow& row) {
    return change.action == Action::install ? filter_->install(row) : filter_->withdraw(row);
}

Result<void> NetlinkStack::Impl::apply_tunnel_peer(const RowChange& change,
                                                   const TunnelPeerRow& row) {
    const bool install = change.action == Action::install;
    if (tunnel_ == nullptr) {
        if (!install) return {};
        return fail(ErrorKind::unsupported,
                    fmt::format("{}: this host has no user-space tunnel", to_string(change.row)));
    }
    Result<void> done = install ? tunnel_->install_peer(row) : tunnel_->withdraw_peer(row);
    if (done || (!install && done.error().kind == ErrorKind::not_found)) return {};
    // The tunnel does not know the link; does the kernel?
    if (done.error().kind == ErrorKind::not_found && table_->find(row.link)) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: {} is no tun device", to_string(change.row), row.link));
    }
    if (!done.error().what.starts_with(to_string(change.row))) {
        done.error().what = fmt::format("{}: {}", to_string(change.row), done.error().what);
    }
    return done;
}

// ---- NetlinkStack ----

NetlinkStack::NetlinkStack(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetlinkStack::~NetlinkStack() = default;

Result<std::unique_ptr<NetlinkStack>> NetlinkStack::open(const Netns& netns, HostFacts facts,
                                                         UdpTunnel* tunnel,
                                                         NetlinkStackOptions options) {
    OVERLAB_TRY(Netns own, netns.duplicate());
    auto impl =
        std::make_unique<Impl>(std::move(own), std::move(facts), tunnel, std::move(options));
    const Result<void> opened = impl->open();
    if (!opened) return std::unexpected(opened.error());
    return std::unique_ptr<NetlinkStack>(new NetlinkStack(std::move(impl)));
}

HostFacts NetlinkStack::facts() const { return impl_->facts(); }

Result<ForwardingState> NetlinkStack::dump() { return impl_->dump(); }

std::vector<Result<void>> NetlinkStack::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes(changes.size());
    impl_->apply(changes, outcomes);
    return outcomes;
}

Result<bool> NetlinkStack::on_link(Ipv4Address address) {
    return ask_on_link(impl_->route_socket(), address);
}

Result<std::vector<SaRow>> NetlinkStack::security_associations() {
    if (!impl_->xfrm_socket()) {
        return fail(ErrorKind::unsupported, "security associations: this kernel has no XFRM");
    }
    return read_associations(*impl_->xfrm_socket());
}

}  // namespace overlab::real
