#include "models/backends/ipip_backend.h"

#include "models/backends/peer_check.h"

namespace overlab {
namespace {

constexpr const char* device = "flannel.ipip";

}  // namespace

std::uint32_t IpipBackend::overlay_mtu(std::uint32_t underlay_mtu) const {
    return mtu_inside(underlay_mtu, overhead);
}

LeaseAttributes IpipBackend::attributes(const HostFacts& host, MacAddress /*vtep_mac*/) const {
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    attributes.backend_type = name();
    return attributes;
}

Plan IpipBackend::plan_local(const LocalNode& local) const {
    Plan plan;
    plan.rows.emplace_back(LinkRow{
        .name = device,
        .kind = LinkRow::Kind::ipip,
        .lower = {},
        .local = local.host.external_address,
        .mtu = overlay_mtu(local.host.external_mtu),
        .mac = {},
    });
    plan.rows.emplace_back(AddressRow{device, Ipv4Prefix::of(local.subnet.v4.network, 32)});
    return plan;
}

Plan IpipBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach reach) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), name(), local, peer);
    if (!plan.unsupported.empty()) return plan;
    const bool direct = config_.direct_routing && reach == Reach::on_link;
    plan.rows.emplace_back(RouteRow{.destination = peer.subnet.v4,
                                    .link = direct ? local.host.external_link : device,
                                    .gateway = peer.attributes.public_ip,
                                    .onlink = !direct});
    return plan;
}

}  // namespace overlab
