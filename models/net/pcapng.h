// Capture files in pcapng form (draft-ietf-opsawg-pcapng), as octets appended to a vector: nothing
// here writes files. A file is one section header, then interfaces and packets; an interface comes
// before its packets and gets the next id, from 0. Always little-endian, so the same run gives the
// same octets on any machine; the reader learns the order from the section header.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/base/time.h"

namespace overlab::pcapng {

/// Direction seen from the capturing interface (the low bits of the epb_flags option).
enum class Direction : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

struct Packet {
    std::uint32_t interface_id = 0;
    Instant time{};  ///< not negative
    Direction direction = Direction::unknown;
    std::span<const std::uint8_t> frame;  ///< what was captured, from the Ethernet header on
    /// The frame's length on the wire when the capture cut it; 0: frame.size().
    std::uint32_t original_bytes = 0;
    std::string_view comment;  ///< UTF-8, at most 65535 bytes; empty: none
};

/// The section header, naming overlab as the application that wrote the file.
void append_section_header(std::vector<std::uint8_t>& file);

/// An Ethernet interface with nanosecond time stamps and no limit on captured length.
void append_interface(std::vector<std::uint8_t>& file, std::string_view name);

void append_packet(std::vector<std::uint8_t>& file, const Packet& packet);

}  // namespace overlab::pcapng
