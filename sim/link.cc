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

/// In LinkTransmitter's units of 2^-20 ns.
std::uint64_t time_per_byte(std::uint64_t rate_bps) { return (8'000'000'000ULL << 20) / rate_bps; }

}  // namespace

LinkTransmitter::LinkTransmitter(Engine& engine, const Spec& spec, std::uint64_t seed)
    : engine_(&engine),
      spec_(spec),
      seed_(seed),
      time_per_byte_(time_per_byte(spec.rate_bps)),
      delay_ns_(spec.delay_ns),
      queue_bytes_(spec.queue_bytes),
      loss_ppb_(spec.loss_ppb),
      wire_mtu_(spec.mtu),
      orderly_(spec.loss_ppb == 0),
      loss_(Rng::stream(seed, spec.name + "/loss")) {}

void LinkTransmitter::connect(FrameSink& peer, std::uint32_t peer_port) {
    peer_ = &peer;
    peer_port_ = peer_port;
}

void LinkTransmitter::change(const LinkChange& change) {
    time_per_byte_ = time_per_byte(change.rate_bps.value_or(spec_.rate_bps));
    delay_ns_ = change.delay ? change.delay->ns : spec_.delay_ns;
    loss_ppb_ = change.loss_ppb.value_or(spec_.loss_ppb);
    wire_mtu_ = std::min(change.mtu.value_or(spec_.mtu), spec_.mtu);
    if (disorder_ == nullptr) {
        disorder_ = std::make_unique<Disorder>(
            Disorder{.corrupt = Rng::stream(seed_, spec_.name + "/corrupt"),
                     .duplicate = Rng::stream(seed_, spec_.name + "/duplicate"),
                     .reorder = Rng::stream(seed_, spec_.name + "/reorder")});
    }
    disorder_->corrupt_ppb = change.corrupt_ppb.value_or(0);
    disorder_->duplicate_ppb = change.duplicate_ppb.value_or(0);
    disorder_->reorder_ppb = change.reorder_ppb.value_or(0);
    orderly_ = loss_ppb_ == 0 && disorder_->corrupt_ppb == 0 && disorder_->duplicate_ppb == 0 &&
               disorder_->reorder_ppb == 0;
}

void LinkTransmitter::send(FramePtr frame) {
    if (frame->first_size() - ethernet_bytes > wire_mtu_ && !trim_to_mtu(frame)) return;
    const std::uint32_t packet_bytes = frame->first_size() - ethernet_bytes;
    if (down_ != 0) {
        counters_.down_drops += frame->segments;
        return;
    }
    counters_.largest_packet_bytes = std::max(counters_.largest_packet_bytes, packet_bytes);
    const std::int64_t backlog_ns = std::max<std::int64_t>(0, busy_until_ns_ - engine_->now_ns());
    if (trim_to_queue(frame, backlog_ns)) transmit(std::move(frame));
}

/// Drops what is larger than the wire takes: of an aggregate all but perhaps its shorter last
/// packet. False: nothing is left.
bool LinkTransmitter::trim_to_mtu(FramePtr& frame) {
    const std::uint32_t last_bytes =
        frame->header_bytes() + frame->last_payload() + frame->last_trailer - ethernet_bytes;
    if (frame->segments == 1 || last_bytes > wire_mtu_) {
        counters_.mtu_drops += frame->segments;
        return false;
    }
    counters_.mtu_drops += frame->segments - 1U;
    (void)frame->split_front(frame->segments - 1U);
    return true;
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
    if (orderly_) {
        launch(std::move(frame), head_ns, tail_ns);
    } else {
        launch_one_by_one(std::move(frame), head_ns, tail_ns);
    }
}

void LinkTransmitter::launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns) {
    frame->tail_ns = std::max<std::int64_t>(0, tail_ns);
    Frame::deliver_at(*engine_, std::move(frame), head_ns, *peer_, peer_port_);
}

LinkTransmitter::Fate LinkTransmitter::draw_fate() {
    const auto hit = [](Rng& chances, std::uint32_t ppb) {
        return ppb > 0 && chances.chance(ppb, loss_scale);
    };
    if (hit(loss_, loss_ppb_)) return Fate::lost;
    if (disorder_ == nullptr) return Fate::whole;
    if (hit(disorder_->corrupt, disorder_->corrupt_ppb)) return Fate::corrupt;
    if (hit(disorder_->duplicate, disorder_->duplicate_ppb)) return Fate::duplicated;
    return hit(disorder_->reorder, disorder_->reorder_ppb) ? Fate::early : Fate::whole;
}

/// `packet`: a single one that would arrive at `at_ns`.
void LinkTransmitter::meet(Fate fate, FramePtr packet, std::int64_t at_ns) {
    switch (fate) {
        case Fate::lost:
            ++counters_.loss_drops;
            return;
        case Fate::corrupt:
            ++counters_.corrupt_drops;
            return;
        case Fate::duplicated:
            ++counters_.duplicates;
            launch(std::make_unique<Frame>(*packet), at_ns, 0);
            break;
        case Fate::early:  // as netem's reorder: it skips the delay
            ++counters_.reordered;
            at_ns -= delay_ns_;
            break;
        case Fate::whole:
            break;
    }
    launch(std::move(packet), at_ns, 0);
}

/// Draws for every real packet; each run of those that nothing happens to goes on as one frame, at
/// its share of the time.
void LinkTransmitter::launch_one_by_one(FramePtr frame, std::int64_t head_ns,
                                        std::int64_t tail_ns) {
    const std::int64_t gap_ns = frame->segments > 1 ? tail_ns / (frame->segments - 1) : 0;
    std::int64_t at_ns = head_ns;
    while (frame != nullptr) {
        std::uint32_t run = 0;
        Fate fate = Fate::whole;
        while (run < frame->segments && (fate = draw_fate()) == Fate::whole) ++run;
        if (run == frame->segments) {
            launch(std::move(frame), at_ns, gap_ns * (run - 1));
            return;
        }
        const bool more = run + 1U < frame->segments;
        if (run > 0) launch(frame->split_front(run), at_ns, gap_ns * (run - 1));
        at_ns += gap_ns * run;
        FramePtr single = more ? frame->split_front(1) : std::move(frame);
        meet(fate, std::move(single), at_ns);
        at_ns += gap_ns;
    }
}

}  // namespace overlab::sim
