#include "models/measure/outage.h"

#include <algorithm>

#include "models/scenario/scenario.h"

namespace overlab {
namespace {

constexpr Duration shortest = milliseconds(50), tcp_rto_min = milliseconds(200);
constexpr std::int64_t intervals = 3;
/// Of a datagram that fills the MTU, whatever that is.
constexpr std::uint64_t most_payload_bytes = 9000;

Duration paced(Duration interval) { return std::max(shortest, interval * intervals); }

}  // namespace

Duration outage_threshold(const TrafficSpec& flow) {
    if (flow.kind == TrafficSpec::Kind::tcp) return tcp_rto_min;
    if (flow.kind == TrafficSpec::Kind::request_response) {
        const bool back_to_back = flow.interval == Duration{};
        if (back_to_back || flow.over_tcp) return std::max(tcp_rto_min, flow.interval * intervals);
        return paced(flow.interval);
    }
    if (flow.rate_bps == 0) return shortest;
    const std::uint64_t bytes = flow.packet_bytes == 0 ? most_payload_bytes : flow.packet_bytes;
    const std::uint64_t interval_ns = bytes * 8'000'000'000U / flow.rate_bps;
    // An on_off flow is silent by itself: what is no longer than its pauses often are tells
    // nothing.
    const Duration pause =
        flow.kind == TrafficSpec::Kind::on_off ? flow.off * intervals : Duration{};
    return std::max(paced(nanoseconds(static_cast<std::int64_t>(interval_ns))), pause);
}

}  // namespace overlab
