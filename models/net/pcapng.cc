#include "models/net/pcapng.h"

#include <bit>
#include <cstring>

#include "models/base/check.h"

namespace overlab::pcapng {
namespace {

using File = std::vector<std::uint8_t>;

enum class Block : std::uint32_t {
    interface_description = 1,
    enhanced_packet = 6,
    section_header = 0x0a0d0d0a,
};

/// Codes that follow opt_endofopt and opt_comment depend on the block.
constexpr std::uint16_t end_of_options = 0, option_comment = 1;
constexpr std::uint16_t section_application = 4;
constexpr std::uint16_t interface_name = 2, interface_time_resolution = 9;
constexpr std::uint16_t packet_flags = 2;

constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint64_t section_length_unknown = ~std::uint64_t{0};
constexpr std::uint16_t link_type_ethernet = 1;
constexpr std::uint32_t no_snap_length = 0;
constexpr std::uint8_t nanosecond_resolution = 9;  // 10^-9 s
constexpr std::size_t longest_option = 0xffff;

template <typename Word>
void store(std::uint8_t* to, Word word) {
    if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
    std::memcpy(to, &word, sizeof word);
}

template <typename Word>
void append(File& file, Word word) {
    file.resize(file.size() + sizeof word);
    store(file.data() + file.size() - sizeof word, word);
}

void append_padded(File& file, std::span<const std::uint8_t> octets) {
    file.insert(file.end(), octets.begin(), octets.end());
    file.resize((file.size() + 3) & ~std::size_t{3});
}

void append_option(File& file, std::uint16_t code, std::span<const std::uint8_t> value) {
    CHECK(value.size() <= longest_option);
    append(file, code);
    append(file, static_cast<std::uint16_t>(value.size()));
    append_padded(file, value);
}

void append_option(File& file, std::uint16_t code, std::string_view text) {
    append_option(file, code,
                  std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void append_end_of_options(File& file) { append_option(file, end_of_options, std::string_view{}); }

/// Opens a block; close() writes its length in front and behind. Blocks are multiples of four
/// octets, so that a file that began empty stays aligned and padding can go by the file's size.
class OpenBlock {
   public:
    OpenBlock(File& file, Block type) : file_(file), start_(file.size()) {
        CHECK(start_ % 4 == 0);
        append(file_, static_cast<std::uint32_t>(type));
        append(file_, std::uint32_t{0});
    }
    void close() {
        append(file_, std::uint32_t{0});
        const std::size_t bytes = file_.size() - start_;
        CHECK(bytes % 4 == 0);
        CHECK(bytes <= 0xffff'ffff);
        store(file_.data() + start_ + 4, static_cast<std::uint32_t>(bytes));
        store(file_.data() + file_.size() - 4, static_cast<std::uint32_t>(bytes));
    }

   private:
    File& file_;
    std::size_t start_;
};

}  // namespace

void append_section_header(File& file) {
    OpenBlock block(file, Block::section_header);
    append(file, byte_order_magic);
    append(file, std::uint16_t{1});  // major version
    append(file, std::uint16_t{0});  // minor version
    append(file, section_length_unknown);
    append_option(file, section_application, "overlab");
    append_end_of_options(file);
    block.close();
}

void append_interface(File& file, std::string_view name) {
    OpenBlock block(file, Block::interface_description);
    append(file, link_type_ethernet);
    append(file, std::uint16_t{0});  // reserved
    append(file, no_snap_length);
    append_option(file, interface_name, name);
    append_option(file, interface_time_resolution, std::span(&nanosecond_resolution, 1));
    append_end_of_options(file);
    block.close();
}

void append_packet(File& file, const Packet& packet) {
    CHECK(packet.time.ns >= 0);
    CHECK(packet.frame.size() <= 0xffff'ffff);
    const auto captured = static_cast<std::uint32_t>(packet.frame.size());
    const std::uint32_t original = packet.original_bytes == 0 ? captured : packet.original_bytes;
    CHECK(original >= captured);

    OpenBlock block(file, Block::enhanced_packet);
    append(file, packet.interface_id);
    const auto time = static_cast<std::uint64_t>(packet.time.ns);
    append(file, static_cast<std::uint32_t>(time >> 32));
    append(file, static_cast<std::uint32_t>(time));
    append(file, captured);
    append(file, original);
    append_padded(file, packet.frame);
    if (!packet.comment.empty()) append_option(file, option_comment, packet.comment);
    if (packet.direction != Direction::unknown) {
        append(file, packet_flags);
        append(file, std::uint16_t{4});
        append(file, static_cast<std::uint32_t>(packet.direction));
    }
    if (!packet.comment.empty() || packet.direction != Direction::unknown) {
        append_end_of_options(file);
    }
    block.close();
}

}  // namespace overlab::pcapng
