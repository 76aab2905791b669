// FlowTally: what one program of a flow counted while it ran. Programs are processes of their own;
// a tally crosses to the world's process over a socket (encode, decode), and those of the two ends
// are added up (merge).
//
// Instants are nanoseconds since the run began, on the monotonic clock that all processes share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/measure/traffic_meter.h"

namespace overlab::real {

/// A time without an answer: from when the first lost probe left to when the first answered one
/// after it did. `to_ns` is -1 if none was answered any more.
struct Gap {
    std::int64_t from_ns = 0, to_ns = -1;
    std::uint64_t lost = 0;

    friend bool operator==(const Gap&, const Gap&) = default;
};

struct FlowTally : Deliveries {
    std::uint64_t sent = 0, received = 0, lost = 0;  ///< datagrams or exchanges
    std::uint64_t retransmits = 0;
    std::uint32_t mss_bytes = 0;
    std::int64_t jitter_ns = 0;
    std::int64_t worst_late_ns = 0;  ///< that a request left after it was due
    LatencySummary latency;
    std::vector<Gap> gaps;        ///< the first Gaps::most of them, in order
    std::uint64_t gap_count = 0;  ///< all of them
    Gap longest_gap;              ///< of all; of those that ended, unless none did
    std::vector<std::string> remarks;

    /// Adds the other end's, or a later session's. Latency and jitter are the other's if it has
    /// any.
    void merge(const FlowTally& other);
    /// Everything but the flow's names and wire_bytes. `complete`: the flow had a fixed amount to
    /// move and has: it ended with the last delivery.
    void fill(FlowReport& report, const MeterSpan& span, bool complete) const;

    friend bool operator==(const FlowTally&, const FlowTally&) = default;
};

[[nodiscard]] std::string encode(const FlowTally& tally);
/// Empty if that is not a whole tally.
[[nodiscard]] std::optional<FlowTally> decode(std::string_view bytes);

/// Finds runs of lost probes among probes told in the order of their sending.
class Gaps {
   public:
    static constexpr std::size_t most = 1000;

    void probe(std::int64_t sent_ns, bool lost);
    /// Adds what was found to `tally`; a run of losses that lasted to the end is a gap, too.
    void report(FlowTally& tally) const;

   private:
    void close(const Gap& gap);

    std::optional<Gap> open_;
    std::vector<Gap> gaps_;
    std::uint64_t count_ = 0;
    Gap longest_;
};

}  // namespace overlab::real
