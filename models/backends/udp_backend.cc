#include "models/backends/udp_backend.h"

#include "models/backends/peer_check.h"

namespace overlab {
namespace {

constexpr const char* device = "flannel0";

}  // namespace

std::uint32_t UdpBackend::overlay_mtu(std::uint32_t underlay_mtu) const {
    return mtu_inside(underlay_mtu, overhead);
}

LeaseAttributes UdpBackend::attributes(const HostFacts& host, MacAddress /*vtep_mac*/) const {
    // flannel's udp writes no BackendType; peers of that kind are known by its absence.
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    return attributes;
}

Plan UdpBackend::plan_local(const LocalNode& local) const {
    Plan plan;
    plan.rows.emplace_back(LinkRow{
        .name = device,
        .kind = LinkRow::Kind::tun,
        .lower = {},
        .local = local.host.external_address,
        .vni = 0,
        .port = config_.port,
        .mtu = overlay_mtu(local.host.external_mtu),
        .mac = {},
        .learning = false,
    });
    plan.rows.emplace_back(AddressRow{device, Ipv4Prefix::of(local.subnet.v4.network, 32)});
    plan.rows.emplace_back(RouteRow{network_, device, std::nullopt, false});
    return plan;
}

Plan UdpBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach /*reach*/) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), "", local, peer);
    if (!plan.unsupported.empty()) return plan;
    // A lease does not say the peer's port: all hosts of one network share the configuration.
    plan.rows.emplace_back(
        TunnelPeerRow{device, peer.subnet.v4, peer.attributes.public_ip, config_.port});
    return plan;
}

}  // namespace overlab
