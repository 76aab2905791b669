#include "cli/file_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>

namespace overlab::cli {
namespace {

using Block = std::array<char, 65536>;

/// Fills the block as far as the file goes.
std::size_t fill(std::ifstream& file, Block& block) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    return static_cast<std::size_t>(file.gcount());
}

std::uint32_t word(const std::array<char, 20>& head, std::size_t index) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(head[4 * index + i]);
    return value;
}

/// Walks the blocks of a pcapng file (draft-ietf-opsawg-pcapng §3.1) to the one that holds the
/// octet. The two files are alike up to there, so the block's head may be read from either.
void find_frame(const std::string& capture, FileDifference& difference) {
    constexpr std::uint32_t section_header = 0x0a0d0d0a, enhanced_packet = 6;
    constexpr std::uint32_t shortest_block = 12;
    std::ifstream file(capture, std::ios::binary);
    std::array<char, 20> head{};  // type, length, interface, time
    std::uint64_t frames = 0;
    for (std::uint64_t at = 0; at <= difference.octet;) {
        file.seekg(static_cast<std::streamoff>(at));
        if (!file.read(head.data(), head.size())) return;
        const std::uint32_t type = word(head, 0);
        const std::uint32_t length = word(head, 1);
        if (length < shortest_block || (at == 0 && type != section_header)) return;
        if (type == enhanced_packet) ++frames;
        at += length;
        if (at <= difference.octet || type != enhanced_packet) continue;
        difference.frame = frames;
        difference.frame_time_ns =
            static_cast<std::int64_t>(std::uint64_t{word(head, 3)} << 32 | word(head, 4));
    }
}

}  // namespace

std::string FileDifference::to_string() const {
    constexpr std::int64_t second_ns = 1'000'000'000;
    std::string text = end_of_shorter ? fmt::format("one ends at octet {}", octet)
                                      : fmt::format("octet {}", octet);
    if (frame != 0) {
        text = fmt::format("frame {} ({}.{:09} s), {}", frame, frame_time_ns / second_ns,
                           frame_time_ns % second_ns, text);
    }
    return text;
}

Result<std::optional<FileDifference>> file_difference(const std::string& first,
                                                      const std::string& second) {
    std::ifstream a(first, std::ios::binary);
    std::ifstream b(second, std::ios::binary);
    Block from_a{};
    Block from_b{};
    for (FileDifference difference;;) {
        const std::size_t count_a = fill(a, from_a);
        const std::size_t count_b = fill(b, from_b);
        if ((count_a < from_a.size() && !a.eof()) || (count_b < from_b.size() && !b.eof())) {
            return fail(ErrorKind::unavailable,
                        fmt::format("{} or {}: cannot be read", first, second));
        }
        const std::size_t shared = std::min(count_a, count_b);
        const auto [end, ignored] = std::mismatch(
            from_a.begin(), from_a.begin() + static_cast<std::ptrdiff_t>(shared), from_b.begin());
        const auto alike = static_cast<std::size_t>(end - from_a.begin());
        difference.octet += alike;
        if (alike < shared || count_a != count_b) {
            difference.end_of_shorter = alike == shared;
            find_frame(first, difference);
            return difference;
        }
        if (count_a < from_a.size()) return std::nullopt;
    }
}

}  // namespace overlab::cli
