// A packet's walk as text for people: what `trace` prints.
//
//   1  h1  pod       10.244.1.2 sends 84 bytes to 10.244.2.2                         84/1450
//   2  h1  route     to 10.244.2.0 on flannel.1                                      84/1450
//                    `route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink`
//   ...
//   delivered at h2
#pragma once

#include <string>
#include <string_view>

#include "models/forwarding/packet_walk.h"

namespace overlab {

/// What a disposition means, in words; where an ICMP message goes back to the sender, it says so.
[[nodiscard]] std::string_view explain(Disposition disposition);

/// Numbered steps, aligned, the deciding row quoted under its step, size and MTU at the right
/// (`size/mtu`, no MTU where no link is about to be used). The last line is the disposition.
[[nodiscard]] std::string walk_text(const Walk& walk);

/// The way there, and the way back if the packet arrived; one closing line for both.
[[nodiscard]] std::string round_trip_text(const Walk& there, const Walk* back);

}  // namespace overlab
