#include "models/backends/host_gw_backend.h"

#include <fmt/format.h>

#include "models/backends/peer_check.h"

namespace overlab {

LeaseAttributes HostGwBackend::attributes(const HostFacts& host, MacAddress /*vtep_mac*/) const {
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    attributes.backend_type = name();
    return attributes;
}

Plan HostGwBackend::plan_local(const LocalNode& /*local*/) const { return {}; }

Plan HostGwBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach reach) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), name(), local, peer);
    if (!plan.unsupported.empty()) return plan;
    const Ipv4Address public_ip = peer.attributes.public_ip;
    if (reach == Reach::routed) {
        plan.unsupported = fmt::format("host-gw: peer behind a router ({} is not on {}'s segment)",
                                       public_ip.to_string(), local.host.external_link);
    } else if (reach == Reach::unknown) {
        plan.unsupported = fmt::format("host-gw: no route to {}", public_ip.to_string());
    } else {
        plan.rows.emplace_back(
            RouteRow{peer.subnet.v4, local.host.external_link, public_ip, false});
    }
    return plan;
}

}  // namespace overlab
