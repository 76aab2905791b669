#include "models/control/control_host.h"

#include <fmt/format.h>

#include "models/base/rng.h"

namespace overlab {

ControlHost::ControlHost(ControlHostSetup setup)
    : setup_(std::move(setup)), address_(setup_.external.address) {
    if (setup_.wireguard) draw_wireguard_key();
    set_up_machine();
}

void ControlHost::draw_wireguard_key() {
    // Drawn, not derived from a private half: nothing is encrypted here.
    Rng rng = Rng::stream(setup_.seed, setup_.name + "/wireguard");
    for (std::uint8_t& byte : wireguard_key_.bytes) {
        byte = static_cast<std::uint8_t>(rng.below(256));
    }
}

void ControlHost::set_up_machine() {
    external_link_ = tables_.add_host_link({.name = "eth0",
                                            .kind = TableLink::Kind::ethernet,
                                            .local = address_,
                                            .mtu = setup_.mtu,
                                            .mac = setup_.external.mac});
    tables_.add_host_address(external_link_, address_, setup_.segment.length);
    RouteEntry way_out{.link = external_link_};
    if (setup_.gateway) {
        way_out.has_gateway = true;
        way_out.gateway = *setup_.gateway;
    }
    tables_.add_host_route(Ipv4Prefix{}, way_out);
}

void ControlHost::forget_everything() {
    tables_ = ForwardingTables{};
    bridge_ = no_link;
    pod_subnet_ = {};
    pods_.clear();
    set_up_machine();
}

void ControlHost::set_address(Ipv4Address address) {
    tables_.remove_host_address(external_link_, address_, setup_.segment.length);
    address_ = address;
    tables_.add_host_address(external_link_, address_, setup_.segment.length);
}

HostFacts ControlHost::facts() const {
    return {.name = setup_.name,
            .external_link = "eth0",
            .external_address = address_,
            .external_mtu = setup_.mtu,
            .wireguard_public_key = setup_.wireguard ? wireguard_key_.to_string() : std::string{}};
}

std::vector<Result<void>> ControlHost::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes;
    outcomes.reserve(changes.size());
    for (const RowChange& change : changes) {
        outcomes.push_back(change.action == RowChange::Action::install
                               ? tables_.install(change.row)
                               : tables_.withdraw(change.row));
    }
    return outcomes;
}

/// As `ip route get`: on-link when no gateway stands between. The catch-all `default dev eth0` of a
/// host without a router says nothing about the neighbourhood, so it does not count.
Result<bool> ControlHost::on_link(Ipv4Address address) {
    const auto match = tables_.route(address);
    if (!match) {
        return fail(ErrorKind::not_found, fmt::format("{}: no route", address.to_string()));
    }
    return !match->entry.has_gateway && match->prefix.length > 0;
}

void ControlHost::set_up_pods(Ipv4Prefix subnet, std::uint32_t mtu) {
    const Ipv4Address gateway = subnet.at(1);
    if (bridge_ == no_link) {
        bridge_ = tables_.add_host_link({.name = "cni0",
                                         .kind = TableLink::Kind::bridge,
                                         .local = gateway,
                                         .mtu = mtu,
                                         .mac = {}});
    } else {
        tables_.remove_host_address(bridge_, pod_subnet_.at(1), pod_subnet_.length);
        tables_.set_host_link_mtu(bridge_, mtu);
    }
    tables_.add_host_address(bridge_, gateway, subnet.length);
    pod_subnet_ = subnet;
    pods_.clear();
    for (std::uint32_t i = 0; i < setup_.pods; ++i) pods_.push_back(subnet.at(i + 2));
}

}  // namespace overlab
