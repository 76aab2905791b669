#include "models/backends/peer_check.h"

#include <fmt/format.h>

namespace overlab {

std::string refuse_peer(std::string_view backend, std::string_view published,
                        const LocalNode& local, const Lease& peer) {
    const LeaseAttributes& says = peer.attributes;
    if (says.backend_type != published) {
        return fmt::format("{}: peer runs {}", backend,
                           says.backend_type.empty() ? "a backend that publishes no type"
                                                     : fmt::format("`{}`", says.backend_type));
    }
    if (peer.subnet.v4.length == 0) {
        return fmt::format("{}: the lease has no IPv4 subnet, and only IPv4 is planned", backend);
    }
    if (says.public_ip.is_unspecified()) {
        return fmt::format("{}: peer publishes no address", backend);
    }
    if (says.public_ip == local.host.external_address) {
        return fmt::format("{}: peer publishes this host's own address {}", backend,
                           says.public_ip.to_string());
    }
    if (local.subnet.v4.length != 0 && peer.subnet.v4.overlaps(local.subnet.v4)) {
        return fmt::format("{}: overlaps this host's own subnet {}", backend,
                           local.subnet.v4.to_string());
    }
    return {};
}

}  // namespace overlab
