// PacketWalk over a simulated underlay: packets on paper between the hosts of a run, deciding by
// the very tables that its packets meet.
#pragma once

#include "models/forwarding/packet_walk.h"
#include "sim/underlay_network.h"

namespace overlab::sim {

/// The network must outlive the walk; rows that change later are seen.
[[nodiscard]] PacketWalk packet_walk(UnderlayNetwork& network);

}  // namespace overlab::sim
