// Whole worlds (store, nodes, pods) for tests/bench/speed.cc: one TCP flow at 10 Gbit/s, and the
// boot of a large cluster. Each prints its lines and returns whether the targets are met.
#pragma once

#include <cstdint>

namespace overlab::bench {

/// CPU time of one simulated second of one flow, and its goodput with and without super-segments.
[[nodiscard]] bool tcp_flow(int rounds);

/// From power-on to every node holding every other's rows: wall time, memory, rows.
[[nodiscard]] bool boot(std::uint32_t hosts);

}  // namespace overlab::bench
