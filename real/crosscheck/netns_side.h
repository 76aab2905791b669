// NetnsSide: the KernelSide of the kernel that this process runs on, in namespaces of its own. It
// needs root's rights there, and for what native kernels may lack (ESP, WireGuard, ipip) a guest.
//
// Namespaces, interfaces and sockets are made for the largest layout so far and stay; a history
// gets them with other addresses, MTUs and rows.
//
// Not as on a real network: links have no rate, delay or loss, and only one probe is on its way at
// a time. ARP runs as always; who has answered once is remembered until the next reset(). So is
// what the packet filter knows of connections, should a history have filter rows.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "models/base/time.h"
#include "models/crosscheck/kernel_side.h"

namespace overlab::real {

struct NetnsSideOptions {
    /// Where the hosts' WireGuard keys lie (the same in every run); must be there.
    std::filesystem::path key_folder;
    /// Nothing more happens after so long. The kernel asks for a neighbour for three seconds.
    Duration silence = seconds(4);
    /// The same where a host has WireGuard, which repeats a handshake after five seconds.
    Duration wireguard_silence = seconds(12);
};

/// Bounds of a layout.
inline constexpr std::size_t most_cross_hosts = 64, most_cross_segments = 16;

/// Errors: unsupported (no right to make namespaces), unavailable.
[[nodiscard]] Result<std::unique_ptr<KernelSide>> make_netns_side(NetnsSideOptions options);

}  // namespace overlab::real
