#include "models/backends/ipsec_backend.h"

#include "models/backends/peer_check.h"

namespace overlab {

std::uint32_t IpsecBackend::overlay_mtu(std::uint32_t underlay_mtu) const {
    return mtu_inside(underlay_mtu, overhead + (config_.udp_encap ? udp_encap_overhead : 0));
}

LeaseAttributes IpsecBackend::attributes(const HostFacts& host, MacAddress /*vtep_mac*/) const {
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    attributes.backend_type = name();
    return attributes;
}

Plan IpsecBackend::plan_local(const LocalNode& /*local*/) const { return {}; }

Plan IpsecBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach /*reach*/) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), name(), local, peer);
    if (!plan.unsupported.empty()) return plan;
    using Direction = PolicyRow::Direction;
    const Ipv4Prefix ours = local.subnet.v4;
    const Ipv4Prefix theirs = peer.subnet.v4;
    const Ipv4Address here = local.host.external_address;
    const Ipv4Address there = peer.attributes.public_ip;
    plan.rows.emplace_back(PolicyRow{Direction::out, ours, theirs, here, there, reqid});
    plan.rows.emplace_back(PolicyRow{Direction::in, theirs, ours, there, here, reqid});
    // A tunnel's inner packets are forwarded on, not delivered: the kernel asks the fwd policy too.
    plan.rows.emplace_back(PolicyRow{Direction::fwd, theirs, ours, there, here, reqid});
    plan.connection = IkeConnection{
        .local = here,
        .remote = there,
        .local_subnet = ours,
        .remote_subnet = theirs,
        .psk = config_.psk,
        .esp_proposal = config_.esp_proposal,
        .udp_encap = config_.udp_encap,
    };
    return plan;
}

}  // namespace overlab
