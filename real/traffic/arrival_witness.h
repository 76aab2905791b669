// ArrivalWitness: sees iperf3's packets as they reach the receiving pod (a packet socket there),
// because iperf3 tells neither when its first byte arrived nor how long a datagram took.
//
// iperf3 writes the monotonic clock's reading at the beginning of each datagram (iperf_udp_send():
// seconds and microseconds, 4 bytes each, big-endian), and all pods share that clock. Of fast flows
// the kernel hands over a random sample, so that watching does not change what is watched.
#pragma once

#include <cstdint>

#include "real/traffic/prober.h"

namespace overlab::real {

struct WitnessTask : ProgramTask {
    bool udp = false;
    std::uint64_t packets_per_s = 0;  ///< udp: what to expect
};

/// Packets a second that are looked at, at most (on average).
constexpr std::uint64_t witnessed_per_s = 5000;

/// The whole of one process in the receiving pod; until told to end. Its tally has first_ns, and
/// for udp latency; no counts.
[[nodiscard]] FlowTally run_arrival_witness(const WitnessTask& task, int control);

}  // namespace overlab::real
