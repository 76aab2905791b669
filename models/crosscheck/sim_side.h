// SimSide (port): the half of a cross-check that is simulated: hosts as the simulated world has
// them, and packets on paper between their pods.
#pragma once

#include <cstddef>

#include "models/base/error.h"
#include "models/crosscheck/kernel_side.h"
#include "models/forwarding/packet_walk.h"
#include "models/forwarding/tables.h"
#include "models/ports/host_stack.h"

namespace overlab {

class SimSide {
   public:
    virtual ~SimSide() = default;

    /// As KernelSide::reset(). Errors: invalid_argument (a layout that the simulated world cannot
    /// build: segments are /24, hosts' names ascend).
    [[nodiscard]] virtual Result<void> reset(const CrossLayout& layout) = 0;

    /// Live until the next reset(). `host` < layout.hosts.size().
    [[nodiscard]] virtual HostStack& stack(std::size_t host) = 0;
    [[nodiscard]] virtual ForwardingTables& tables(std::size_t host) = 0;

    /// As KernelSide::set_pod().
    virtual void set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) = 0;

    /// Hosts by their number in the layout; sees the tables as they are now.
    [[nodiscard]] virtual PacketWalk walk() = 0;
};

}  // namespace overlab
