// What iperf3 prints with -J, as far as we use it, and the tally of a session made from what both
// of its ends printed.
//
// The receiver's report says what arrived and when; the sender's what it sent, its retransmissions
// and its segment size. A client that is ended by SIGTERM makes both ends print a whole report.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "real/traffic/flow_tally.h"

namespace overlab::real {

struct Iperf3Report {
    struct Interval {
        std::int64_t from_ns = 0, to_ns = 0;  ///< since the test's beginning
        std::uint64_t bytes = 0;              ///< sent or received, of all streams
    };
    std::string error;  ///< iperf3's own words; empty: it went well
    std::vector<Interval> intervals;
    std::uint64_t bytes_received = 0;  ///< a receiver's report
    std::uint64_t retransmits = 0;     ///< a sender's report
    std::uint32_t mss_bytes = 0;       ///< a sender's report
    std::uint64_t packets = 0;         ///< udp: sent, or the highest number received
    std::uint64_t packets_lost = 0;    ///< udp, a receiver's report: numbers that are missing
    std::int64_t jitter_ns = 0;        ///< udp, a receiver's report
    std::int64_t end_ns = 0;           ///< of sending, since the test's beginning
};

/// Errors: invalid_argument (no JSON, truncated, not a report of iperf3).
[[nodiscard]] Result<Iperf3Report> parse_iperf3(std::string_view text);

struct Iperf3Session {
    std::string name;  ///< of the flow
    MeterSpan span;
    std::int64_t begin_ns = 0, end_ns = 0;  ///< the client process's, on the run's clock
    bool udp = false;
};

/// One that printed no report leaves its numbers 0 and a remark. Of udp, `lost` are the numbers
/// that the receiver missed; see count_unseen().
[[nodiscard]] FlowTally tally_session(const Iperf3Session& session, std::string_view client_text,
                                      std::string_view server_text);

/// The datagrams after the last one that arrived: lost, too, but for as many as may still be under
/// way, which is what leaves in the longest one-way delay that was seen.
void count_unseen(FlowTally& tally, std::uint64_t packets_per_s);

}  // namespace overlab::real
