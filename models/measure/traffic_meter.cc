#include "models/measure/traffic_meter.h"

#include <algorithm>

namespace overlab {
namespace {

__extension__ using Wide = unsigned __int128;

}  // namespace

std::uint64_t bits_per_second(std::uint64_t bytes, std::int64_t ns) {
    if (ns <= 0) return 0;
    return static_cast<std::uint64_t>(Wide{bytes} * 8'000'000'000U / static_cast<Wide>(ns));
}

void Deliveries::delivered(const MeterSpan& span, std::int64_t now_ns,
                           std::uint64_t payload_bytes) {
    if (payload_bytes == 0 || now_ns > span.stop_ns) return;
    if (first_ns < 0) first_ns = now_ns;
    last_ns = now_ns;
    bytes += payload_bytes;
    if (now_ns < span.steady_ns()) early_bytes += payload_bytes;
    if (span.step_ns <= 0) return;
    const auto step = static_cast<std::size_t>(now_ns / span.step_ns);
    if (series.size() <= step) series.resize(step + 1);
    series[step] += payload_bytes;
}

void Deliveries::merge(const Deliveries& other) {
    bytes += other.bytes;
    early_bytes += other.early_bytes;
    if (first_ns < 0 || (other.first_ns >= 0 && other.first_ns < first_ns)) {
        first_ns = other.first_ns;
    }
    last_ns = std::max(last_ns, other.last_ns);
    series.resize(std::max(series.size(), other.series.size()));
    for (std::size_t i = 0; i < other.series.size(); ++i) series[i] += other.series[i];
}

void Deliveries::fill(FlowReport& report, const MeterSpan& span, bool complete) const {
    const std::int64_t stop_ns = complete && last_ns >= 0 ? last_ns : span.stop_ns;
    report.start_ns = span.start_ns;
    report.stop_ns = stop_ns;
    report.bytes_delivered = bytes;
    report.first_delivery_ns = first_ns;
    report.series_bytes = series;
    report.goodput_bps = bits_per_second(bytes, stop_ns - span.start_ns);
    // Of a transfer that ended early the fifth was not known beforehand; it has no steady part.
    report.steady_goodput_bps =
        complete ? report.goodput_bps
                 : bits_per_second(bytes - early_bytes, span.stop_ns - span.steady_ns());
}

void LatencySamples::add(std::int64_t latency_ns) {
    if (count_++ % stride_ != 0) return;
    samples_.push_back(latency_ns);
    if (samples_.size() < most_) return;
    for (std::size_t i = 0; 2 * i < samples_.size(); ++i) samples_[i] = samples_[2 * i];
    samples_.resize((samples_.size() + 1) / 2);
    stride_ *= 2;
}

LatencySummary LatencySamples::summary() const {
    LatencySummary summary = LatencySummary::of(samples_);
    summary.count = count_;
    return summary;
}

void Jitter::add(std::int64_t transit_ns) {
    if (any_) {
        const std::int64_t change = transit_ns > last_transit_ns_ ? transit_ns - last_transit_ns_
                                                                  : last_transit_ns_ - transit_ns;
        scaled_ += change - ((scaled_ + 8) >> 4);
    }
    any_ = true;
    last_transit_ns_ = transit_ns;
}

}  // namespace overlab
