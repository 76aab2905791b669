// ExpectedOutcome: what a real probe must do if the walk on paper is right.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/crosscheck/cross_cluster.h"
#include "models/crosscheck/kernel_side.h"
#include "models/forwarding/packet_walk.h"

namespace overlab {

struct ExpectedOutcome {
    Disposition disposition = Disposition::delivered;  ///< the walk's, for statistics
    ProbeOutcome outcome;
    // What the walk does not say, and so is not compared.
    bool end_known = true;   ///< false: all that is known is that it is not delivered
    bool from_known = true;  ///< who sent the ICMP message
    bool outer_known = true;
    std::string way;  ///< the walk in words, one line a step
};

/// One host as PacketWalk and the answer to a probe need it.
struct ExpectedHost {
    const ForwardingTables* tables = nullptr;
    std::optional<CrossPod> pod;
};

/// `hosts` are those of `paper`, by number. The sender has a pod.
[[nodiscard]] ExpectedOutcome expected_outcome(const PacketWalk& paper,
                                               const std::vector<ExpectedHost>& hosts,
                                               const ProbePacket& probe);

/// Empty if `actual` is as expected; else what differs, in words.
[[nodiscard]] std::string difference(const ExpectedOutcome& expected, const ProbeOutcome& actual);

}  // namespace overlab
