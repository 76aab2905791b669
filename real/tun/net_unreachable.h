// The ICMP message for a packet whose destination no peer has: destination unreachable, network
// (RFC 792), to be written into the TUN device.
//
// Its source is the address that could not be reached. flannel's proxy puts the TUN's own address
// there, and the kernel drops every such message as martian (fib_validate_source(): a local source
// from outside). The unreachable address is routed to the TUN, so it passes strict reverse-path
// filtering too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace overlab::real {

class NetUnreachable {
   public:
    /// Empty where RFC 1122 §3.2.2 and RFC 1812 §4.3.2.7 forbid an answer: to ICMP errors (to any
    /// ICMP but echo), later fragments, multicast and broadcast, and senders that are not one host.
    [[nodiscard]] static std::optional<NetUnreachable> answer_to(
        std::span<const std::uint8_t> packet);

    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
    [[nodiscard]] std::span<std::uint8_t> bytes() { return {bytes_.data(), size_}; }

   private:
    /// RFC 1812 §4.3.2.3: as much of the packet as fits into 576 bytes.
    static constexpr std::size_t longest = 576;
    std::array<std::uint8_t, longest> bytes_{};
    std::size_t size_ = 0;
};

/// A token bucket, as Linux's global limit of ICMP (icmp_msgs_per_sec, icmp_msgs_burst).
class IcmpLimit {
   public:
    static constexpr std::int64_t per_second = 1000, burst = 50;

    /// Whether a message may go at this time of a monotonic clock.
    [[nodiscard]] bool allow(std::int64_t now_ns);

   private:
    std::int64_t tokens_ = burst;
    std::int64_t counted_ns_ = 0;  ///< up to here tokens_ have been added
};

}  // namespace overlab::real
