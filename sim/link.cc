#include "sim/link.h"

#include <algorithm>

namespace overlab::sim {
namespace {

constexpr std::uint32_t ethernet_bytes = 14;
constexpr std::uint64_t loss_scale = 1'000'000'000;

std::uint64_t total_wire_bytes(const Frame& frame) {
    if (frame.segments == 1) return wire_bytes(frame.total_size());
    return frame.total_size() + std::uint64_t{frame.segments} * Frame::wire_extra_bytes;
}

}  // namespace

LinkTransmitter::LinkTransmitter(Engine& engine, const Spec& spec, std::uint64_t seed)
    : engine_(&engine),
      time_per_byte_((8'000'000'000ULL << fraction_bits) / spec.rate_bps),
      delay_ns_(spec.delay_ns),
      queue_bytes_(spec.queue_bytes),
      loss_ppb_(spec.loss_ppb),
      mtu_(spec.mtu),
      loss_(Rng::stream(seed, spec.name + "/loss")) {}

void LinkTransmitter::connect(FrameSink& peer, std::uint32_t peer_port) {
    peer_ = &peer;
    peer_port_ = peer_port;
}

void LinkTransmitter::send(FramePtr frame) {
    const std::uint32_t packet_bytes = frame->first_size() - ethernet_bytes;
    if (packet_bytes > mtu_) {
        counters_.mtu_drops += frame->segments;
        return;
    }
    if (!up_) {
        counters_.down_drops += frame->segments;
        return;
    }
    counters_.largest_packet_bytes = std::max(counters_.largest_packet_bytes, packet_bytes);
    const std::int64_t backlog_ns = std::max<std::int64_t>(0, busy_until_ns_ - engine_->now_ns());
    if (trim_to_queue(frame, backlog_ns)) transmit(std::move(frame));
}

/// Drops what does not fit the queue. False: nothing is left.
bool LinkTransmitter::trim_to_queue(FramePtr& frame, std::int64_t backlog_ns) {
    // While an aggregate's later packets are still arriving, the queue drains.
    const std::int64_t drained_ns = std::max(backlog_ns - frame->tail_ns, std::int64_t{0});
    const auto backlog = (static_cast<std::uint64_t>(drained_ns) << fraction_bits) / time_per_byte_;
    if (backlog + frame->total_size() <= queue_bytes_) return true;

    const std::uint64_t room = queue_bytes_ > backlog ? queue_bytes_ - backlog : 0;
    const auto fitting = static_cast<std::uint32_t>(room / frame->first_size());
    if (fitting == 0 || frame->segments == 1) {
        counters_.queue_drops += frame->segments;
        return false;
    }
    if (fitting >= frame->segments)
        return true;  // only the shorter last packet made the difference
    counters_.queue_drops += frame->segments - fitting;
    auto budget = std::move(frame->budget);
    const std::uint32_t budget_bytes = frame->budget_bytes;
    frame = frame->split_front(fitting);
    frame->budget = std::move(budget);
    frame->budget_bytes = budget_bytes;
    return true;
}

void LinkTransmitter::transmit(FramePtr frame) {
    const std::int64_t now = engine_->now_ns();
    if (busy_until_ns_ < now) {
        busy_until_ns_ = now;
        busy_fraction_ = 0;
    }
    const std::int64_t start_ns = busy_until_ns_;
    const std::uint64_t bytes = total_wire_bytes(*frame);
    const WireTime whole = busy_fraction_ + wire_time(bytes);
    const WireTime first = busy_fraction_ + wire_time(wire_bytes(frame->first_size()));
    busy_until_ns_ += static_cast<std::int64_t>(whole >> fraction_bits);
    busy_fraction_ = whole & ((WireTime{1} << fraction_bits) - 1);

    counters_.packets += frame->segments;
    counters_.bytes += bytes;
    if (by_flow_ != nullptr && frame->flow_id < by_flow_->size()) {
        (*by_flow_)[frame->flow_id] += bytes;
    }
    if (tap_ != nullptr) tap_->sent(*frame, start_ns, time_per_byte_, forward_);

    const auto first_ns = static_cast<std::int64_t>(first >> fraction_bits);
    // The last packet leaves when the link has sent all, but not before it has come in itself.
    const std::int64_t finish_ns = std::max(busy_until_ns_, now + frame->tail_ns + first_ns);
    frame->release_budget(*engine_, finish_ns);
    const std::int64_t head_ns = start_ns + first_ns + delay_ns_;
    const std::int64_t tail_ns = frame->segments == 1 ? 0 : finish_ns + delay_ns_ - head_ns;
    if (loss_ppb_ == 0) {
        launch(std::move(frame), head_ns, tail_ns);
    } else {
        lose_and_launch(std::move(frame), head_ns, tail_ns);
    }
}

void LinkTransmitter::launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns) {
    frame->tail_ns = std::max<std::int64_t>(0, tail_ns);
    Frame::deliver_at(*engine_, std::move(frame), head_ns, *peer_, peer_port_);
}

/// Draws for every real packet; each run of survivors goes on as one frame, at its share of the
/// time.
void LinkTransmitter::lose_and_launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns) {
    const std::int64_t gap_ns = frame->segments > 1 ? tail_ns / (frame->segments - 1) : 0;
    std::int64_t at_ns = head_ns;
    while (frame != nullptr) {
        std::uint32_t run = 0;
        while (run < frame->segments && !loss_.chance(loss_ppb_, loss_scale)) ++run;
        FramePtr rest;
        FramePtr survivors;
        if (run == frame->segments) {
            survivors = std::move(frame);
        } else {
            ++counters_.loss_drops;
            const bool more = run + 1U < frame->segments;
            if (run > 0) survivors = frame->split_front(run);
            if (more) {
                (void)frame->split_front(1);  // the lost packet
                rest = std::move(frame);
            }
        }
        if (survivors != nullptr) launch(std::move(survivors), at_ns, gap_ns * (run - 1));
        at_ns += gap_ns * (run + 1);
        frame = std::move(rest);
    }
}

}  // namespace overlab::sim
