// TCP headers of the streams between simulated programs: written as Linux writes them, read as a
// receiver reads them, so that a capture decodes. Options: MSS, SACK permitted and window scale on
// a SYN, time stamps always (RFC 7323), SACK blocks when data is missing (RFC 2018).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "models/net/wire.h"
#include "sim/frame.h"

namespace overlab::sim {

/// Received bytes beyond the acknowledgement, as sequence numbers [begin, end).
struct SackBlock {
    std::uint32_t begin = 0, end = 0;
    friend bool operator==(SackBlock, SackBlock) = default;
};

struct TcpSegment {
    static constexpr std::size_t max_sack_blocks = 3;  ///< what fits beside time stamps
    static constexpr std::size_t header_bytes = 32;    ///< data segment: time stamps, no SACK
    static constexpr std::size_t syn_bytes = 40;

    TcpHeader header;  ///< header_bytes is set by prepend() and decode()
    std::uint32_t timestamp = 0, timestamp_echo = 0;  ///< milliseconds of virtual time
    std::uint16_t mss = 0;                            ///< SYN only
    std::uint8_t window_scale = 0;                    ///< SYN only
    std::uint8_t sack_count = 0;
    std::array<SackBlock, max_sack_blocks> sacks{};

    [[nodiscard]] bool has(std::uint8_t flag) const { return (header.flags & flag) != 0; }
    [[nodiscard]] std::span<const SackBlock> sack_blocks() const {
        return {sacks.data(), sack_count};
    }

    /// Puts the header, options included, in front of the frame.
    void prepend_to(Frame& frame) const;
    /// Nothing if the frame does not begin with a whole TCP header. Unknown options are stepped
    /// over.
    [[nodiscard]] static std::optional<TcpSegment> decode(const Frame& frame);
};

}  // namespace overlab::sim
