#include "sim/traffic_meter.h"

#include <algorithm>

#include "models/base/check.h"

namespace overlab::sim {
namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t bits_per_second(std::uint64_t bytes, std::int64_t ns) {
    if (ns <= 0) return 0;
    return static_cast<std::uint64_t>(Wide{bytes} * 8'000'000'000U / static_cast<Wide>(ns));
}

constexpr std::int64_t early_part = 5;  // slow start ends within the first fifth

}  // namespace

void DeliveryMeter::delivered(std::int64_t now_ns, std::uint64_t bytes) {
    if (bytes == 0 || now_ns > stop_ns_) return;
    if (first_ns_ < 0) first_ns_ = now_ns;
    last_ns_ = now_ns;
    bytes_ += bytes;
    if (now_ns < start_ns_ + (stop_ns_ - start_ns_) / early_part) early_bytes_ += bytes;
    if (step_ns_ <= 0) return;
    const auto step = static_cast<std::size_t>(now_ns / step_ns_);
    if (series_.size() <= step) series_.resize(step + 1);
    series_[step] += bytes;
}

void DeliveryMeter::report(bool finished, FlowReport& report) const {
    const std::int64_t stop_ns = finished && last_ns_ >= 0 ? last_ns_ : stop_ns_;
    report.start_ns = start_ns_;
    report.stop_ns = stop_ns;
    report.bytes_delivered = bytes_;
    report.first_delivery_ns = first_ns_;
    report.series_bytes = series_;
    report.goodput_bps = bits_per_second(bytes_, stop_ns - start_ns_);
    // Of a transfer that ended early the fifth was not known beforehand; it has no steady part.
    report.steady_goodput_bps =
        finished ? report.goodput_bps
                 : bits_per_second(bytes_ - early_bytes_,
                                   stop_ns_ - start_ns_ - (stop_ns_ - start_ns_) / early_part);
}

void LatencyRecorder::add(std::int64_t latency_ns) {
    if (count_++ % stride_ != 0) return;
    samples_.push_back(latency_ns);
    if (samples_.size() < most_samples) return;
    for (std::size_t i = 0; 2 * i < samples_.size(); ++i) samples_[i] = samples_[2 * i];
    samples_.resize(samples_.size() / 2);
    stride_ *= 2;
}

LatencySummary LatencyRecorder::summary() const {
    LatencySummary summary = LatencySummary::of(samples_);
    summary.count = count_;
    return summary;
}

void JitterMeter::add(std::int64_t transit_ns) {
    if (any_) {
        const std::int64_t change = transit_ns > last_transit_ns_ ? transit_ns - last_transit_ns_
                                                                  : last_transit_ns_ - transit_ns;
        scaled_ += change - ((scaled_ + 8) >> 4);
    }
    any_ = true;
    last_transit_ns_ = transit_ns;
}

}  // namespace overlab::sim
