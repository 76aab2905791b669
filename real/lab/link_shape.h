// LinkShape: what a link's end does to the packets that leave by it, and what of the scenario's
// wishes that leaves out. Pure; traffic_control.h carries it out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/time.h"
#include "models/scenario/scenario.h"

namespace overlab::real {

/// A packet's octets on an Ethernet wire beyond what the kernel counts (from the Ethernet header
/// on): frame check, preamble and gap. And the least that one takes.
inline constexpr std::uint32_t wire_overhead_bytes = 24;
inline constexpr std::uint32_t smallest_wire_bytes = 84;

struct LinkShape {
    std::uint64_t rate_bps = 0;  ///< 0: not limited
    std::uint64_t queue_bytes = 0;
    std::uint32_t burst_bytes = 0;  ///< what may leave at once after a pause
    /// Not 0: every packet takes its time on the line, as on a wire, and the queue holds so many of
    /// them instead of bytes.
    std::uint32_t queue_packets = 0;
    Duration delay;  ///< 0: none
    std::uint32_t delay_line_packets = 0;
    std::uint32_t loss_ppb = 0;
    std::uint32_t corrupt_ppb = 0;    ///< one bit of each is turned over
    std::uint32_t duplicate_ppb = 0;  ///< leave twice
    std::uint32_t reorder_ppb = 0;    ///< do not wait for the delay: overtake
    std::uint64_t seed = 0;           ///< of the losses, where the kernel can be told (from 6.7 on)

    [[nodiscard]] bool is_plain() const { return rate_bps == 0 && !has_line(); }
    /// Delay, loss or worse, whatever the rate.
    [[nodiscard]] bool has_line() const {
        return delay.ns > 0 || loss_ppb > 0 || corrupt_ppb > 0 || duplicate_ppb > 0;
    }
    friend bool operator==(const LinkShape&, const LinkShape&) = default;
};

/// A veth crossing and two wake-ups cost about as much: netem would add more than it models.
inline constexpr Duration least_modelled_delay = microseconds(100);

struct ShapeLimits {
    std::uint64_t shape_below_bps = 0;  ///< as LabOptions has it
    /// A kernel without high-resolution timers (User-mode Linux) wakes a queue at ticks only.
    Duration timer_resolution = nanoseconds(1);
    /// Virtual time, where timers are exact and the machine is no limit: every rate and every delay
    /// is modelled, the serialisation of single packets too.
    bool exact = false;
};

/// What pods' own interfaces are held to in virtual time, both ways: without any rate two pods of
/// one host would talk for ever at one instant.
inline constexpr std::uint64_t pod_rate_bps = 40'000'000'000;
[[nodiscard]] LinkShape pod_shape();

[[nodiscard]] LinkShape shape_of(const UnderlayLink& link, const ShapeLimits& limits);

/// The same with a fault on it.
[[nodiscard]] LinkShape shape_of(const UnderlayLink& link, const LinkChange& change,
                                 const ShapeLimits& limits);

/// One line for every kind of thing that shapes leave out.
[[nodiscard]] std::vector<std::string> shape_warnings(const std::vector<UnderlayLink>& links,
                                                      const ShapeLimits& limits);

/// `delay 20 ms and loss 0.1 %`: what asks for netem.
[[nodiscard]] std::string netem_wishes(const LinkShape& shape);

}  // namespace overlab::real
