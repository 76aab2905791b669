#include "models/forwarding/packet_walk.h"

#include <utility>

#include "models/base/check.h"
#include "models/forwarding/walker.h"

namespace overlab {

std::string_view to_string(Disposition disposition) {
    switch (disposition) {
        case Disposition::delivered:
            return "delivered";
        case Disposition::no_route:
            return "no_route";
        case Disposition::neighbour_unresolved:
            return "neighbour_unresolved";
        case Disposition::fdb_miss:
            return "fdb_miss";
        case Disposition::tunnel_peer_missing:
            return "tunnel_peer_missing";
        case Disposition::sa_missing:
            return "sa_missing";
        case Disposition::mtu_exceeded:
            return "mtu_exceeded";
        case Disposition::ttl_expired:
            return "ttl_expired";
        case Disposition::no_listener:
            return "no_listener";
        case Disposition::unreachable_underlay:
            return "unreachable_underlay";
        case Disposition::policy_mismatch:
            return "policy_mismatch";
        case Disposition::loop:
            return "loop";
    }
    CHECK(false);
    return {};
}

PacketWalk::PacketWalk(std::vector<WalkHost> hosts, UnderlayPathFn underlay)
    : hosts_(std::move(hosts)), underlay_(std::move(underlay)) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        CHECK(hosts_[i].tables != nullptr);
        host_of_address_.emplace(hosts_[i].underlay_address, i);
        for (const Ipv4Address pod : hosts_[i].pods) host_of_pod_.emplace(pod, i);
    }
}

Walk PacketWalk::walk(const WalkPacket& packet) const {
    const auto sender = host_of_pod_.find(packet.source);
    CHECK(sender != host_of_pod_.end());
    return walk_from_pod(sender->second, packet);
}

Walk PacketWalk::walk_from_pod(std::size_t host, const WalkPacket& packet) const {
    CHECK(host < hosts_.size());
    return Walker({hosts_, host_of_address_, underlay_}, packet).run_from_pod(host);
}

Walk PacketWalk::walk_from_host(std::size_t host, const WalkPacket& packet) const {
    CHECK(host < hosts_.size());
    return Walker({hosts_, host_of_address_, underlay_}, packet).run_from_host(host);
}

}  // namespace overlab
