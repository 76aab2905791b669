// RunReport: what one run of one scenario under one backend measured, in any world. Integers with
// the unit in the name; everything ordered by name. results/ writes it; nothing here depends on how
// it was obtained.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/cost/cost_profile.h"

namespace overlab {

/// A distribution of durations in nanoseconds; counts are exact, percentiles nearest-rank.
struct LatencySummary {
    std::uint64_t count = 0;
    std::int64_t min_ns = 0, p50_ns = 0, p90_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0,
                 mean_ns = 0;

    /// Sorts `samples_ns`. All zero when there are none.
    [[nodiscard]] static LatencySummary of(std::vector<std::int64_t> samples_ns);
    friend bool operator==(const LatencySummary&, const LatencySummary&) = default;
};

/// A time in which a flow that was sending had nothing delivered.
struct OutageReport {
    std::int64_t from_ns = 0;  ///< the last delivery before it (or the flow's start)
    std::int64_t to_ns = 0;    ///< the first delivery after it; -1: there was none

    friend bool operator==(const OutageReport&, const OutageReport&) = default;
};

struct FlowReport {
    std::string name, kind, from, to;
    std::int64_t start_ns = 0, stop_ns = 0;
    std::uint64_t bytes_delivered = 0;     ///< application payload
    std::uint64_t goodput_bps = 0;         ///< over start..stop
    std::uint64_t steady_goodput_bps = 0;  ///< without the first fifth of the time (slow start)
    std::uint64_t packets_sent = 0, packets_received = 0,
                  packets_lost = 0;       ///< udp, request_response
    std::uint64_t retransmits = 0;        ///< tcp: real segments sent again
    LatencySummary latency;               ///< udp: one way; request_response: round trip
    std::int64_t jitter_ns = 0;           ///< RFC 3550 §6.4.1 estimator, udp
    std::int64_t first_delivery_ns = -1;  ///< -1: nothing ever arrived
    std::uint64_t wire_bytes = 0;  ///< bytes of this flow on its first underlay link, framing in
    std::uint32_t mss_bytes = 0;   ///< tcp: last segment size
    std::vector<std::uint64_t> series_bytes;  ///< delivered per RunReport::series_step_ns
    /// Longer than outage_threshold(), in order; at most max_outages.
    std::vector<OutageReport> outages;
};

struct HostReport {
    std::string name;
    std::string lease;  ///< `10.244.3.0/24`, empty if none was ever held
    std::int64_t lease_acquired_ns = -1;
    std::int64_t converged_ns = -1;  ///< all peers' rows in place, the last time it became true
    std::uint32_t overlay_mtu = 0;
    std::uint64_t rows = 0;
    std::array<std::int64_t, cost_stage_count> cpu_ns{};  ///< per stage, all cores
    std::int64_t busiest_core_ns = 0;
    /// Where time is measured and not modelled: `agent`, `traffic`, `softirq`; empty in sim.
    std::map<std::string, std::int64_t> cpu_measured_ns;
    std::map<std::string, std::uint64_t> drops;  ///< disposition -> packets
};

struct LinkReport {
    std::string name, from, to;  ///< one entry a direction
    std::uint64_t frames = 0,
                  bytes = 0;  ///< real segments; bytes with Ethernet framing (38 B each)
    std::uint64_t queue_drops = 0, loss_drops = 0, mtu_drops = 0;
    std::uint32_t largest_packet_bytes = 0;  ///< layer 3
};

struct PairProblem {  ///< a pod-carrying host pair that cannot talk, and why
    std::string from, to, why;
};

struct EventReport {
    std::int64_t at_ns = 0;
    std::string host, what;
};

/// What one flow suffered from one fault.
struct FaultFlowReport {
    std::string flow, from, to;      ///< from, to: pods
    std::int64_t blackhole_ns = 0;   ///< its outages that began in the fault's window, together
    bool survived = true;            ///< something was delivered after the last of them
    std::int64_t packets_lost = -1;  ///< in the window; -1: this kind of flow does not count them

    friend bool operator==(const FaultFlowReport&, const FaultFlowReport&) = default;
};

/// One fault and what came of it. Its window is from its beginning to the next fault's, or to the
/// end of the run.
struct FaultReport {
    std::string name, what;
    std::int64_t at_ns = 0;
    std::int64_t healed_ns = -1;     ///< -1: not within the run
    std::int64_t detect_ns = -1;     ///< from its beginning to the first reaction of any agent
    std::int64_t converge_ns = -1;   ///< from when it healed until all was as planned for good
    std::int64_t blackhole_ns = 0;   ///< the longest of `flows`
    std::int64_t packets_lost = 0;   ///< of the flows that count them
    std::uint64_t rows_changed = 0;  ///< installed and withdrawn, on all hosts
    std::uint64_t store_messages = 0;
    std::uint64_t clear_pod_bytes = 0;
    std::uint64_t flows_hit = 0, flows_survived = 0;  ///< survived: among those hit
    std::vector<FaultFlowReport> flows;               ///< those hit, by name

    friend bool operator==(const FaultReport&, const FaultReport&) = default;
};

/// Something that must never be, and was (models/invariant/invariant.h).
struct ViolationReport {
    std::int64_t at_ns = 0;
    std::string invariant;          ///< `stale_owner`
    std::string host;               ///< empty: of the cluster
    std::string what;               ///< one sentence
    std::vector<std::string> rows;  ///< `- ` missing, `+ ` too many; where rows are concerned

    friend bool operator==(const ViolationReport&, const ViolationReport&) = default;
};

struct RunReport {
    std::string scenario, backend, world;
    /// The clock was the run's own and not the machine's: the same seed gives the same report.
    bool virtual_time = false;
    /// Why this world cannot run this backend here, with the remedy. If not empty, nothing below is
    /// measured but `seed`.
    std::string unavailable;
    /// Metrics (of the network, flows or hosts) that this world does not measure; asking for one is
    /// an error.
    std::vector<std::string> unmeasured;
    std::uint64_t seed = 0;
    std::int64_t duration_ns = 0;
    std::uint32_t overlay_mtu = 0;
    std::int64_t first_connectivity_ns = -1;  ///< first traffic byte delivered across hosts
    std::int64_t converged_ns = -1;           ///< every node converged
    std::uint64_t store_messages = 0, store_bytes = 0;  ///< both directions, on the wire
    std::uint64_t clear_pod_bytes = 0;  ///< pod bytes that crossed the underlay unencrypted
    std::uint64_t packet_hops = 0;      ///< real segments times links
    std::uint64_t events = 0;           ///< simulator events
    std::int64_t series_step_ns = 0;
    std::vector<FlowReport> flows;
    std::vector<HostReport> hosts;
    std::vector<LinkReport> links;
    std::vector<PairProblem> unreachable;
    std::vector<FaultReport> faults;          ///< as Scenario::faults
    std::vector<ViolationReport> violations;  ///< in order of time; at most max_violations
    std::vector<std::string> invariants;      ///< names of those that were checked; sorted
    std::vector<EventReport> timeline;
    std::vector<std::string> warnings;              ///< what was not modelled, what looked wrong
    std::map<std::string, std::string> forwarding;  ///< host -> rows text (only when asked for)
};

inline constexpr std::size_t max_outages = 1000, max_violations = 100;

/// A metric by the names `expect` uses ("goodput_bps", "latency_p99_ns", "overlay_mtu", ...), of a
/// flow, a host, a fault or "network". Errors: not_found, listing the known names.
[[nodiscard]] Result<double> metric(const RunReport& report, const std::string& of,
                                    const std::string& metric_name);

}  // namespace overlab
