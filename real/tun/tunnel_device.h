// Opens what a tunnel needs of the kernel, in the calling thread's namespace.
#pragma once

#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/tun/data_path.h"

namespace overlab::real {

/// A TUN device named row.name and sockets bound to row.local:row.port, one pair a queue of
/// `options`. Errors as UdpTunnel::install_link.
[[nodiscard]] Result<std::vector<TunnelQueue>> open_tunnel_queues(const LinkRow& row,
                                                                  const UdpTunnelOptions& options);

}  // namespace overlab::real
