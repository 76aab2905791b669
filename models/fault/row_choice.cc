#include "models/fault/row_choice.h"

#include <algorithm>
#include <ranges>
#include <variant>

namespace overlab {
namespace {

template <typename... Lambdas>
struct Overload : Lambdas... {
    using Lambdas::operator()...;
};

/// The kind under which a scenario names a row; `all` for those that it cannot name alone.
FaultSpec::Rows kind_of(const Row& row) {
    using enum FaultSpec::Rows;
    return std::visit(
        Overload{[](const LinkRow&) { return link; }, [](const AddressRow&) { return address; },
                 [](const NeighbourRow&) { return neigh; }, [](const FdbRow&) { return fdb; },
                 [](const TunnelPeerRow&) { return tunnel; },
                 [](const WireguardPeerRow&) { return tunnel; }, [](const SaRow&) { return all; },
                 [](const PolicyRow&) { return policy; }, [](const FilterRow&) { return all; },
                 [](const RouteRow&) { return route; }},
        row);
}

bool leads_to(const Row& row, const RowPeer& peer) {
    const auto in_subnet = [&](Ipv4Address address) {
        return peer.subnet && peer.subnet->contains(address);
    };
    return std::visit(
        Overload{[&](const NeighbourRow& each) { return in_subnet(each.address); },
                 [&](const FdbRow& each) { return each.destination == peer.address; },
                 [&](const TunnelPeerRow& each) { return each.destination == peer.address; },
                 [&](const WireguardPeerRow& each) { return each.endpoint == peer.address; },
                 [&](const PolicyRow& each) {
                     return each.tunnel_source == peer.address ||
                            each.tunnel_destination == peer.address;
                 },
                 [&](const RouteRow& each) { return in_subnet(each.destination.network); },
                 [](const auto&) { return false; }},
        row);
}

bool is_chosen(const Row& row, FaultSpec::Rows kind, const std::optional<RowPeer>& peer) {
    if (std::holds_alternative<SaRow>(row)) return false;
    if (kind != FaultSpec::Rows::all && kind_of(row) != kind) return false;
    return !peer || leads_to(row, *peer);
}

}  // namespace

std::vector<Row> choose_rows(const ForwardingState& state, FaultSpec::Rows kind,
                             const std::optional<RowPeer>& peer) {
    std::vector<Row> chosen;
    std::ranges::copy_if(state.rows(), std::back_inserter(chosen),
                         [&](const Row& row) { return is_chosen(row, kind, peer); });
    return chosen;
}

std::optional<Row> led_nowhere(const Row& row) {
    using Changed = std::optional<Row>;
    return std::visit(Overload{[](NeighbourRow each) -> Changed {
                                   each.mac = nowhere_mac;
                                   return each;
                               },
                               [](FdbRow each) -> Changed {
                                   each.destination = nowhere_address;
                                   return each;
                               },
                               [](TunnelPeerRow each) -> Changed {
                                   each.destination = nowhere_address;
                                   return each;
                               },
                               [](WireguardPeerRow each) -> Changed {
                                   each.endpoint = nowhere_address;
                                   return each;
                               },
                               [](PolicyRow each) -> Changed {
                                   // Outgoing packets find no SA to there; what comes in was in no
                                   // such tunnel.
                                   if (each.direction == PolicyRow::Direction::out) {
                                       each.tunnel_destination = nowhere_address;
                                   } else {
                                       each.tunnel_source = nowhere_address;
                                   }
                                   return each;
                               },
                               [](RouteRow each) -> Changed {
                                   if (!each.gateway) return std::nullopt;
                                   each.gateway = nowhere_address;
                                   each.onlink = true;
                                   return each;
                               },
                               [](const auto&) -> Changed { return std::nullopt; }},
                      row);
}

std::vector<RowChange> deletion_of(const ForwardingState& state, FaultSpec::Rows kind,
                                   const std::optional<RowPeer>& peer) {
    std::vector<RowChange> changes;
    for (Row& row : choose_rows(state, kind, peer) | std::views::reverse) {
        changes.push_back({RowChange::Action::withdraw, std::move(row)});
    }
    return changes;
}

std::vector<RowChange> misleading_of(const ForwardingState& state, FaultSpec::Rows kind,
                                     const std::optional<RowPeer>& peer) {
    std::vector<RowChange> changes;
    for (const Row& row : choose_rows(state, kind, peer)) {
        if (std::optional<Row> changed = led_nowhere(row)) {
            changes.push_back({RowChange::Action::install, std::move(*changed)});
        }
    }
    return changes;
}

}  // namespace overlab
