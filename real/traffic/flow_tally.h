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

#include "models/measure/run_report.h"

namespace overlab::real {

/// A time without an answer: from when the first lost probe left to when the first answered one
/// after it did. `to_ns` is -1 if none was answered any more.
struct Gap {
    std::int64_t from_ns = 0, to_ns = -1;
    std::uint64_t lost = 0;

    friend bool operator==(const Gap&, const Gap&) = default;
};

/// The span in which deliveries count, and the step of the series (0: none).
struct MeterSpan {
    std::int64_t start_ns = 0, stop_ns = 0, step_ns = 0;

    /// Slow start is over by then: steady goodput leaves out what came before.
    [[nodiscard]] std::int64_t steady_ns() const { return start_ns + (stop_ns - start_ns) / 5; }
};

struct FlowTally {
    std::uint64_t sent = 0, received = 0, lost = 0;  ///< datagrams or exchanges
    std::uint64_t bytes = 0, early_bytes = 0;        ///< delivered; before MeterSpan::steady_ns()
    std::uint64_t retransmits = 0;
    std::uint32_t mss_bytes = 0;
    std::int64_t first_ns = -1, last_ns = -1;  ///< deliveries
    std::int64_t jitter_ns = 0;
    std::int64_t worst_late_ns = 0;  ///< that a request left after it was due
    LatencySummary latency;
    std::vector<std::uint64_t> series;
    std::vector<Gap> gaps;        ///< the first Gaps::most of them, in order
    std::uint64_t gap_count = 0;  ///< all of them
    Gap longest_gap;              ///< of all; of those that ended, unless none did
    std::vector<std::string> remarks;

    /// Counts a delivery; what comes after the span's end does not count.
    void delivered(const MeterSpan& span, std::int64_t now_ns, std::uint64_t payload_bytes);
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

/// bytes * 8 / ns, in bits per second; 0 if ns <= 0.
[[nodiscard]] std::uint64_t bits_per_second(std::uint64_t bytes, std::int64_t ns);

/// Latency samples. All are kept up to a bound; beyond it every second, fourth, ... one.
class LatencySamples {
   public:
    explicit LatencySamples(std::size_t most = std::size_t{1} << 22) : most_(most) {}
    void add(std::int64_t latency_ns);
    [[nodiscard]] LatencySummary summary() const;
    /// One sample stands for so many.
    [[nodiscard]] std::uint64_t stride() const { return stride_; }

   private:
    std::size_t most_;
    std::vector<std::int64_t> samples_;
    std::uint64_t count_ = 0, stride_ = 1;
};

/// Interarrival jitter, RFC 3550 §6.4.1 with the integer arithmetic of its appendix A.8.
class Jitter {
   public:
    void add(std::int64_t transit_ns);
    [[nodiscard]] std::int64_t ns() const { return scaled_ >> 4; }

   private:
    bool any_ = false;
    std::int64_t last_transit_ns_ = 0, scaled_ = 0;
};

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
