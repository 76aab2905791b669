// The programs that our own traffic is made of. Each function is the whole of one process in a
// pod's namespace (worker.h): it measures until its span is over or `control` turns readable.
//
//   requests    client and server: back to back, or at fixed instants (an open loop: latency counts
//               from the instant that a request was due, so a late sender hides nothing)
//   datagrams   sender and receiver: a constant rate, or bursts of it; one-way delay, jitter, loss
//   transfer    client and server: a fixed amount over TCP
//
// All ends share the machine's monotonic clock, so one-way delays are true differences. A message
// begins with its number and the instant of its sending (big-endian, 8 bytes each), as the
// simulator's do. Messages of all flows go from and to the port of their flow.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/base/rng.h"
#include "models/base/time.h"
#include "models/net/address.h"
#include "real/traffic/flow_tally.h"

namespace overlab::real {

/// What every program of a flow is told.
struct ProgramTask {
    std::string name;           ///< of the flow: begins its remarks
    std::int64_t epoch_ns = 0;  ///< the monotonic clock's reading at the run's beginning
    MeterSpan span;
    Ipv4Address to;  ///< clients and senders
    std::uint16_t port = 0;
};

constexpr std::uint32_t message_head_bytes = 16;

struct RequestTask : ProgramTask {
    std::uint32_t request_bytes = 64, response_bytes = 64;  ///< over UDP at least 16
    Duration interval;                                      ///< 0: back to back
    Duration answer_timeout = seconds(1);                   ///< over UDP: then it is lost
};

[[nodiscard]] FlowTally run_udp_request_client(const RequestTask& task, int control);
[[nodiscard]] FlowTally run_udp_request_server(const RequestTask& task, int control);
/// One connection, made again when it is lost. Nothing is lost but what was under way then.
[[nodiscard]] FlowTally run_tcp_request_client(const RequestTask& task, int control);

struct DatagramTask : ProgramTask {
    std::uint32_t payload_bytes = message_head_bytes;
    std::uint64_t rate_bps = 0;
    Duration on, off;  ///< mean lengths of bursts and pauses; both 0: no pauses
    std::uint64_t seed = 1;
};

/// Tells how many it sent.
[[nodiscard]] FlowTally run_datagram_sender(const DatagramTask& task, int control);
/// Until told to end.
[[nodiscard]] FlowTally run_datagram_receiver(const DatagramTask& task, int control);

struct TransferTask : ProgramTask {
    std::uint64_t bytes = 0;
    unsigned streams = 1;
};

/// Ends when the other side has read everything, or at the span's end.
[[nodiscard]] FlowTally run_transfer_client(const TransferTask& task, int control);

struct StreamServerTask : ProgramTask {
    std::uint32_t request_bytes = 0, response_bytes = 0;  ///< 0: only reads and counts
};

/// Until told to end.
[[nodiscard]] FlowTally run_stream_server(const StreamServerTask& task, int control);

/// When a sender of bursts is on: [begin, end) since its start. The draws are the simulator's: the
/// stream `NAME/on-off`, a burst first.
class Bursts {
   public:
    Bursts(std::uint64_t seed, const std::string& flow, Duration on, Duration off);
    /// The next burst; for a mean of 0 and 0, one without end.
    [[nodiscard]] std::pair<Duration, Duration> next();

   private:
    Rng rng_;
    Duration on_, off_, now_;
};

}  // namespace overlab::real
