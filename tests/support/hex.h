// Octets in tests as hex text: "4500 001c" <-> {0x45, 0x00, 0x00, 0x1c}. Blanks are for the reader.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace overlab::test {

inline std::vector<std::uint8_t> from_hex(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != ' ') digits += c;
    }
    std::vector<std::uint8_t> octets;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        octets.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    return octets;
}

/// Groups of two octets, as tcpdump -x prints.
inline std::string to_hex(std::span<const std::uint8_t> octets) {
    std::string text;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if (i > 0 && i % 2 == 0) text += ' ';
        text += fmt::format("{:02x}", octets[i]);
    }
    return text;
}

}  // namespace overlab::test
