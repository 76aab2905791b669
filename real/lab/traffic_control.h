// TrafficControl: the queueing disciplines of one network namespace's interfaces.
//
//   netem (delay, loss)  ->  tbf (rate; its own drop-tail queue in bytes)  ->  veth
//   netem (delay, loss)  ->  netem (rate; its own drop-tail queue in packets)  ->  veth
//
// A token bucket lets a packet go when its first bit may, netem when its last bit has: the second
// is a wire, but needs timers that are as exact (virtual time).
//
// The delay comes before the queue although a wire has it behind: with a constant delay the order
// makes no difference to when a packet arrives, and netem can hold a child but not be one.
#pragma once

#include <cstdint>
#include <map>

#include "models/base/error.h"
#include "real/lab/link_shape.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

struct QueueDrops {
    std::uint64_t queue = 0;  ///< the queue was full
    std::uint64_t loss = 0;   ///< lost on purpose
    friend bool operator==(const QueueDrops&, const QueueDrops&) = default;
};

/// In place of whatever is there. Errors: unsupported (this kernel lacks netem or tbf),
/// invalid_argument.
[[nodiscard]] Result<void> set_shape(NetlinkSocket& socket, std::uint32_t interface,
                                     const LinkShape& shape);

/// Takes every packet away without a word, as a cut line does: senders see no error, routes and
/// addresses stay. In place of whatever is there.
[[nodiscard]] Result<void> set_black_hole(NetlinkSocket& socket, std::uint32_t interface);

/// Since the shape was set, by interface; those without a shape are left out.
[[nodiscard]] Result<std::map<std::uint32_t, QueueDrops>> queue_drops(NetlinkSocket& socket);

}  // namespace overlab::real
