#include "real/lab/link_shape.h"

#include <fmt/format.h>

#include <algorithm>

namespace overlab::real {
namespace {

constexpr std::uint32_t ethernet_header_bytes = 14;
/// Tokens for so long: the bucket's timer may be that late on a busy machine, and twice a tick
/// where timers have ticks, before the rate suffers.
constexpr Duration burst_length = milliseconds(1);
constexpr std::int64_t burst_ticks = 2;
/// Timers coarser than this show in what is measured.
constexpr Duration fine_timer = microseconds(100);
constexpr std::uint64_t least_burst_frames = 2;
constexpr std::uint64_t largest_burst_bytes = 4 << 20;

/// Room for everything that can be under way at once, and more: drops are the queue's business.
constexpr std::uint64_t least_delay_line_packets = 10'000, largest_delay_line_packets = 1'000'000;
/// As a veth's, if it had a queue (txqueuelen).
constexpr std::uint32_t pod_queue_packets = 1000;

std::uint32_t burst_bytes(const UnderlayLink& link, Duration timer_resolution) {
    const std::uint64_t frame = link.mtu + ethernet_header_bytes + wire_overhead_bytes;
    const Duration length = std::max(burst_length, timer_resolution * burst_ticks);
    const std::uint64_t bytes =
        link.rate_bps / 8 * (static_cast<std::uint64_t>(length.ns) / 1000) / 1'000'000;
    return static_cast<std::uint32_t>(
        std::clamp(bytes, least_burst_frames * frame, largest_burst_bytes));
}

std::uint32_t delay_line_packets(const UnderlayLink& link) {
    const std::uint64_t packets_per_second = link.rate_bps / 8 / smallest_wire_bytes;
    const std::uint64_t delay_ms = static_cast<std::uint64_t>(link.delay.ns) / 1'000'000 + 1;
    return static_cast<std::uint32_t>(std::clamp(packets_per_second * delay_ms / 1000,
                                                 least_delay_line_packets,
                                                 largest_delay_line_packets));
}

/// As many as full-size packets fit; the first is the one on the line.
std::uint32_t queue_packets(const UnderlayLink& link) {
    const std::uint64_t frame = link.mtu + ethernet_header_bytes + wire_overhead_bytes;
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(link.queue_bytes / frame, 1, largest_delay_line_packets));
}

LinkShape exact_shape_of(const UnderlayLink& link) {
    LinkShape shape{.rate_bps = link.rate_bps,
                    .queue_bytes = link.queue_bytes,
                    .queue_packets = queue_packets(link),
                    .delay = link.delay,
                    .loss_ppb = link.loss_ppb};
    // What waits in the queue counts against the line's length too (netem_enqueue).
    if (shape.has_line()) shape.delay_line_packets = delay_line_packets(link) + shape.queue_packets;
    return shape;
}

std::string rate_text(std::uint64_t bps) {
    if (bps % 1'000'000'000 == 0) return fmt::format("{} Gbit/s", bps / 1'000'000'000);
    return fmt::format("{} Mbit/s", bps / 1'000'000);
}

}  // namespace

LinkShape shape_of(const UnderlayLink& link, const ShapeLimits& limits) {
    if (limits.exact) return exact_shape_of(link);
    LinkShape shape;
    if (link.rate_bps < limits.shape_below_bps) {
        shape.rate_bps = link.rate_bps;
        shape.queue_bytes = link.queue_bytes;
        shape.burst_bytes = burst_bytes(link, limits.timer_resolution);
    }
    if (link.delay >= least_modelled_delay) shape.delay = link.delay;
    shape.loss_ppb = link.loss_ppb;
    if (shape.has_line()) shape.delay_line_packets = delay_line_packets(link);
    return shape;
}

LinkShape shape_of(const UnderlayLink& link, const LinkChange& change, const ShapeLimits& limits) {
    UnderlayLink changed = link;
    changed.rate_bps = change.rate_bps.value_or(link.rate_bps);
    changed.delay = change.delay.value_or(link.delay);
    changed.loss_ppb = change.loss_ppb.value_or(link.loss_ppb);
    LinkShape shape = shape_of(changed, limits);
    shape.corrupt_ppb = change.corrupt_ppb.value_or(0);
    shape.duplicate_ppb = change.duplicate_ppb.value_or(0);
    // Without a delay there is nothing to overtake.
    if (changed.delay.ns > 0) shape.reorder_ppb = change.reorder_ppb.value_or(0);
    if (shape.has_line() && shape.delay_line_packets == 0)
        shape.delay_line_packets = delay_line_packets(changed) + shape.queue_packets;
    return shape;
}

LinkShape pod_shape() { return {.rate_bps = pod_rate_bps, .queue_packets = pod_queue_packets}; }

std::vector<std::string> shape_warnings(const std::vector<UnderlayLink>& links,
                                        const ShapeLimits& limits) {
    std::vector<std::string> warnings;
    if (limits.exact) {
        warnings.push_back(fmt::format(
            "virtual time: pods' links are shaped to {}; CPU work takes no time: these runs say "
            "nothing about speed",
            rate_text(pod_rate_bps)));
        return warnings;
    }
    const auto fast = std::ranges::count_if(
        links, [&](const UnderlayLink& link) { return link.rate_bps >= limits.shape_below_bps; });
    if (fast > 0) {
        warnings.push_back(fmt::format(
            "{} of {} links are not limited in the kernel world, because their rate is {} or more: "
            "this machine is the limit, not the line",
            fast, links.size(), rate_text(limits.shape_below_bps)));
    }
    const bool near = std::ranges::any_of(links, [](const UnderlayLink& link) {
        return link.delay.ns > 0 && link.delay < least_modelled_delay;
    });
    if (near)
        warnings.emplace_back("link delays under 100 us are not modelled in the kernel world");
    const bool shaped = std::ranges::any_of(
        links, [&](const UnderlayLink& link) { return !shape_of(link, limits).is_plain(); });
    if (shaped && limits.timer_resolution > fine_timer) {
        warnings.push_back(fmt::format(
            "this kernel's timers tick every {} ms: link rates and delays are that coarse",
            limits.timer_resolution.ns / 1'000'000));
    }
    return warnings;
}

std::string netem_wishes(const LinkShape& shape) {
    std::string wishes;
    if (shape.delay.ns > 0)
        wishes = fmt::format("delay {} ms", static_cast<double>(shape.delay.ns) / 1e6);
    if (shape.loss_ppb > 0) {
        if (!wishes.empty()) wishes += " and ";
        wishes += fmt::format("loss {} %", static_cast<double>(shape.loss_ppb) / 1e7);
    }
    return wishes;
}

}  // namespace overlab::real
