#include "models/forwarding/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

// Keys as tuples of references: comparing never copies a name.
auto key(const LinkRow& row) { return std::tie(row.name); }
auto key(const AddressRow& row) { return std::tie(row.link, row.prefix); }
auto key(const NeighbourRow& row) { return std::tie(row.link, row.address); }
auto key(const FdbRow& row) { return std::tie(row.link, row.mac); }
auto key(const TunnelPeerRow& row) { return std::tie(row.link, row.subnet); }
auto key(const WireguardPeerRow& row) { return std::tie(row.link, row.public_key); }
auto key(const SaRow& row) { return std::tie(row.source, row.destination, row.spi); }
auto key(const PolicyRow& row) { return std::tie(row.direction, row.source, row.destination); }
auto key(const FilterRow& row) { return std::tie(row.kind, row.network); }
auto key(const RouteRow& row) { return std::tie(row.destination); }

std::string text(const LinkRow& row) {
    switch (row.kind) {
        case LinkRow::Kind::tun:
            return fmt::format("link {} tun local {} port {} mtu {}", row.name,
                               row.local.to_string(), row.port, row.mtu);
        case LinkRow::Kind::ipip:
            return fmt::format("link {} ipip local {} mtu {}", row.name, row.local.to_string(),
                               row.mtu);
        case LinkRow::Kind::wireguard:
            return fmt::format("link {} wireguard port {} mtu {}", row.name, row.port, row.mtu);
        case LinkRow::Kind::vxlan:
            break;
    }
    return fmt::format("link {} vxlan vni {} local {} dev {} port {} mtu {} mac {}{}", row.name,
                       row.vni, row.local.to_string(), row.lower, row.port, row.mtu,
                       row.mac.to_string(), row.learning ? " learning" : "");
}

std::string text(const AddressRow& row) {
    return fmt::format("addr {} dev {}", row.prefix.to_string(), row.link);
}

std::string text(const NeighbourRow& row) {
    return fmt::format("neigh {} lladdr {} dev {}", row.address.to_string(), row.mac.to_string(),
                       row.link);
}

std::string text(const FdbRow& row) {
    return fmt::format("fdb {} dst {} dev {}", row.mac.to_string(), row.destination.to_string(),
                       row.link);
}

std::string text(const TunnelPeerRow& row) {
    return fmt::format("tunnel {} to {}:{} dev {}", row.subnet.to_string(),
                       row.destination.to_string(), row.port, row.link);
}

std::string text(const WireguardPeerRow& row) {
    const std::string keepalive =
        row.keepalive_s == 0 ? "" : fmt::format(" keepalive {}", row.keepalive_s);
    const std::string psk = row.psk.given() ? fmt::format(" psk #{:08x}", row.psk.fingerprint) : "";
    return fmt::format("peer {} endpoint {}:{} allowed {} dev {}{}{}", row.public_key.to_string(),
                       row.endpoint.to_string(), row.port, row.allowed.to_string(), row.link,
                       keepalive, psk);
}

std::string text(const SaRow& row) {
    const std::string encap = row.encap_port == 0 ? "" : fmt::format(" encap {}", row.encap_port);
    return fmt::format("sa {} -> {} spi 0x{:08x} reqid {}{}", row.source.to_string(),
                       row.destination.to_string(), row.spi, row.reqid, encap);
}

constexpr std::array<std::string_view, 3> direction_names = {"out", "in", "fwd"};

std::string text(const PolicyRow& row) {
    return fmt::format("policy {} {} -> {} tunnel {} -> {} reqid {}",
                       direction_names[static_cast<std::size_t>(row.direction)],
                       row.source.to_string(), row.destination.to_string(),
                       row.tunnel_source.to_string(), row.tunnel_destination.to_string(),
                       row.reqid);
}

std::string text(const FilterRow& row) {
    if (row.kind == FilterRow::Kind::forward) {
        return fmt::format("filter forward {}", row.network.to_string());
    }
    return fmt::format("filter masquerade {} subnet {}{}", row.network.to_string(),
                       row.subnet.to_string(), row.fully_random ? " fully-random" : "");
}

std::string text(const RouteRow& row) {
    const std::string via = row.gateway ? fmt::format(" via {}", row.gateway->to_string()) : "";
    return fmt::format("route {}{} dev {}{}", row.destination.to_string(), via, row.link,
                       row.onlink ? " onlink" : "");
}

bool key_less(const Row& a, const Row& b) { return compare_keys(a, b) < 0; }

}  // namespace

WireguardPsk WireguardPsk::of(const WireguardKey& key) {
    // 0 stands for "none".
    return {std::max(key.fingerprint(), 1U), std::make_shared<const WireguardKey>(key)};
}

std::strong_ordering compare_keys(const Row& a, const Row& b) {
    if (a.index() != b.index()) return a.index() <=> b.index();
    return std::visit(
        [&b](const auto& row) -> std::strong_ordering {
            return key(row) <=> key(std::get<std::remove_cvref_t<decltype(row)>>(b));
        },
        a);
}

std::string to_string(const Row& row) {
    return std::visit([](const auto& each) { return text(each); }, row);
}

ForwardingState ForwardingState::of(std::vector<Row> rows) {
    // Positions are sorted, kind by kind, and each row is moved once: rows are 100 bytes long.
    std::array<std::vector<std::uint32_t>, std::variant_size_v<Row>> by_kind;
    for (std::uint32_t i = 0; i < rows.size(); ++i) by_kind[rows[i].index()].push_back(i);
    ForwardingState state;
    state.rows_.reserve(rows.size());
    for (std::vector<std::uint32_t>& kind : by_kind) {
        // The position breaks ties, so that the last given of equal keys comes last.
        std::ranges::sort(kind, [&rows](std::uint32_t a, std::uint32_t b) {
            const std::strong_ordering keys = compare_keys(rows[a], rows[b]);
            return keys == 0 ? a < b : keys < 0;
        });
        for (const std::uint32_t i : kind) {
            if (!state.rows_.empty() && same_key(state.rows_.back(), rows[i])) {
                state.rows_.back() = std::move(rows[i]);
            } else {
                state.rows_.push_back(std::move(rows[i]));
            }
        }
    }
    return state;
}

ForwardingState ForwardingState::of_sorted(std::vector<Row> rows) {
    DCHECK(std::ranges::adjacent_find(
               rows, [](const Row& a, const Row& b) { return !key_less(a, b); }) == rows.end());
    ForwardingState state;
    state.rows_ = std::move(rows);
    return state;
}

void ForwardingState::install(Row row) {
    const auto at = std::ranges::lower_bound(rows_, row, key_less);
    if (at != rows_.end() && same_key(*at, row)) {
        *at = std::move(row);
    } else {
        rows_.insert(at, std::move(row));
    }
}

void ForwardingState::withdraw(const Row& key) {
    const auto at = std::ranges::lower_bound(rows_, key, key_less);
    if (at != rows_.end() && same_key(*at, key)) rows_.erase(at);
}

const Row* ForwardingState::find(const Row& key) const {
    const auto at = std::ranges::lower_bound(rows_, key, key_less);
    return at != rows_.end() && same_key(*at, key) ? &*at : nullptr;
}

std::string ForwardingState::to_string() const {
    std::string lines;
    for (const Row& row : rows_) {
        lines += overlab::to_string(row);
        lines += '\n';
    }
    return lines;
}

std::vector<RowChange> diff(const ForwardingState& desired, const ForwardingState& actual) {
    std::vector<RowChange> withdrawals;
    std::vector<RowChange> installs;
    const std::size_t more =
        desired.rows().size() - std::min(desired.rows().size(), actual.rows().size());
    installs.reserve(more);
    auto want = desired.rows().begin();
    auto have = actual.rows().begin();
    const auto want_end = desired.rows().end();
    const auto have_end = actual.rows().end();
    while (want != want_end || have != have_end) {
        const std::strong_ordering order = want == want_end   ? std::strong_ordering::greater
                                           : have == have_end ? std::strong_ordering::less
                                                              : compare_keys(*want, *have);
        if (order > 0) {
            withdrawals.push_back({RowChange::Action::withdraw, *have++});
            continue;
        }
        if (order < 0 || *want != *have) installs.push_back({RowChange::Action::install, *want});
        if (order == 0) ++have;
        ++want;
    }
    std::ranges::reverse(withdrawals);
    std::ranges::move(installs, std::back_inserter(withdrawals));
    return withdrawals;
}

}  // namespace overlab
