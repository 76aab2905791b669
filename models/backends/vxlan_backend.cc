#include "models/backends/vxlan_backend.h"

#include <fmt/format.h>

#include "models/backends/peer_check.h"
#include "models/backends/vxlan_data.h"
#include "models/base/check.h"

namespace overlab {

VxlanBackend::VxlanBackend(VxlanConfig config)
    : config_(config), device_(fmt::format("flannel.{}", config.vni)) {}

std::uint32_t VxlanBackend::overlay_mtu(std::uint32_t underlay_mtu) const {
    return mtu_inside(config_.mtu == 0 ? underlay_mtu : config_.mtu, overhead);
}

LeaseAttributes VxlanBackend::attributes(const HostFacts& host, MacAddress vtep_mac) const {
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    attributes.backend_type = name();
    attributes.backend_data = to_json(VxlanData{config_.vni, vtep_mac});
    return attributes;
}

Plan VxlanBackend::plan_local(const LocalNode& local) const {
    Plan plan;
    plan.rows.emplace_back(LinkRow{
        .name = device_,
        .kind = LinkRow::Kind::vxlan,
        .lower = local.host.external_link,
        .local = local.host.external_address,
        .vni = config_.vni,
        .port = config_.udp_port(),
        .mtu = overlay_mtu(local.host.external_mtu),
        .mac = local.vtep_mac,
        .learning = config_.learning,
    });
    plan.rows.emplace_back(AddressRow{device_, Ipv4Prefix::of(local.subnet.v4.network, 32)});
    return plan;
}

Plan VxlanBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach reach) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), name(), local, peer);
    if (!plan.unsupported.empty()) return plan;
    const Ipv4Prefix subnet = peer.subnet.v4;
    const Ipv4Address public_ip = peer.attributes.public_ip;
    if (config_.direct_routing && reach == Reach::on_link) {
        plan.rows.emplace_back(RouteRow{subnet, local.host.external_link, public_ip, false});
        return plan;
    }
    const Result<VxlanData> data = parse_vxlan_data(peer.attributes.backend_data);
    if (!data) {
        plan.unsupported = fmt::format("vxlan: {}", data.error().what);
        return plan;
    }
    if (data->mac == local.vtep_mac) {
        plan.unsupported =
            fmt::format("vxlan: peer publishes this host's own VTEP MAC {}", data->mac.to_string());
        return plan;
    }
    if (data->vni && *data->vni != config_.vni) {
        plan.note = fmt::format("vxlan: peer uses VNI {}, this host {}: it will drop our packets",
                                *data->vni, config_.vni);
    }
    const Ipv4Address vtep = subnet.network;
    plan.rows.emplace_back(NeighbourRow{device_, vtep, data->mac});
    plan.rows.emplace_back(FdbRow{device_, data->mac, public_ip});
    plan.rows.emplace_back(RouteRow{subnet, device_, vtep, true});
    return plan;
}

std::optional<std::uint64_t> VxlanBackend::claimed_identity(const Lease& peer) const {
    if (peer.attributes.backend_type != name()) return std::nullopt;
    const Result<VxlanData> data = parse_vxlan_data(peer.attributes.backend_data);
    if (!data) return std::nullopt;
    return data->mac.bits;
}

std::string VxlanBackend::identity_text(const Lease& peer) const {
    const Result<VxlanData> data = parse_vxlan_data(peer.attributes.backend_data);
    CHECK(data.has_value());
    return "VTEP MAC " + data->mac.to_string();
}

}  // namespace overlab
