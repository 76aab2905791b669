#include "sim/tcp_segment.h"

#include <cstddef>

#include "models/net/bytes.h"

namespace overlab::sim {
namespace {

// Option kinds, RFC 9293 §3.2, RFC 2018, RFC 7323.
constexpr std::uint8_t end_of_options = 0, no_operation = 1, maximum_segment = 2, window_scale = 3,
                       sack_permitted = 4, sack = 5, time_stamps = 8;

std::size_t option_bytes(const TcpSegment& segment) {
    if (segment.has(TcpHeader::syn)) return TcpSegment::syn_bytes - TcpHeader::bytes;
    const std::size_t stamps = TcpSegment::header_bytes - TcpHeader::bytes;
    return segment.sack_count == 0 ? stamps : stamps + 4 + std::size_t{segment.sack_count} * 8;
}

std::uint8_t* write_stamps(std::uint8_t* to, const TcpSegment& segment) {
    *to++ = time_stamps;
    *to++ = 10;
    store_be32(to, segment.timestamp);
    store_be32(to + 4, segment.timestamp_echo);
    return to + 8;
}

/// As tcp_options_write(): MSS, SACK permitted, time stamps, no-operation, window scale.
void write_syn_options(std::uint8_t* to, const TcpSegment& segment) {
    *to++ = maximum_segment;
    *to++ = 4;
    store_be16(to, segment.mss);
    to += 2;
    *to++ = sack_permitted;
    *to++ = 2;
    to = write_stamps(to, segment);
    *to++ = no_operation;
    *to++ = window_scale;
    *to++ = 3;
    *to++ = segment.window_scale;
}

void write_options(std::uint8_t* to, const TcpSegment& segment) {
    *to++ = no_operation;
    *to++ = no_operation;
    to = write_stamps(to, segment);
    if (segment.sack_count == 0) return;
    *to++ = no_operation;
    *to++ = no_operation;
    *to++ = sack;
    *to++ = static_cast<std::uint8_t>(2 + segment.sack_count * 8);
    for (const SackBlock block : segment.sack_blocks()) {
        store_be32(to, block.begin);
        store_be32(to + 4, block.end);
        to += 8;
    }
}

void read_sacks(TcpSegment& segment, std::span<const std::uint8_t> body) {
    while (body.size() >= 8 && segment.sack_count < TcpSegment::max_sack_blocks) {
        segment.sacks[segment.sack_count++] = {load_be32(body.data()), load_be32(body.data() + 4)};
        body = body.subspan(8);
    }
}

void read_option(TcpSegment& segment, std::uint8_t kind, std::span<const std::uint8_t> body) {
    if (kind == maximum_segment && body.size() == 2) segment.mss = load_be16(body.data());
    if (kind == window_scale && body.size() == 1) segment.window_scale = body[0];
    if (kind == time_stamps && body.size() == 8) {
        segment.timestamp = load_be32(body.data());
        segment.timestamp_echo = load_be32(body.data() + 4);
    }
    if (kind == sack) read_sacks(segment, body);
}

void read_options(TcpSegment& segment, std::span<const std::uint8_t> options) {
    while (!options.empty() && options[0] != end_of_options) {
        if (options[0] == no_operation) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
        read_option(segment, options[0], options.subspan(2, options[1] - 2U));
        options = options.subspan(options[1]);
    }
}

}  // namespace

void TcpSegment::prepend_to(Frame& frame) const {
    CHECK(sack_count <= max_sack_blocks);
    const std::size_t options = option_bytes(*this);
    TcpHeader written = header;
    written.header_bytes = static_cast<std::uint8_t>(TcpHeader::bytes + options);
    std::uint8_t* const out = frame.prepend(written.header_bytes);
    written.encode({out, TcpHeader::bytes});
    if (has(TcpHeader::syn)) {
        write_syn_options(out + TcpHeader::bytes, *this);
    } else {
        write_options(out + TcpHeader::bytes, *this);
    }
}

std::optional<TcpSegment> TcpSegment::decode(const Frame& frame) {
    const std::span<const std::uint8_t> bytes(frame.data(), frame.header_bytes());
    const auto header = TcpHeader::decode(bytes);
    if (!header || header->header_bytes > bytes.size()) return std::nullopt;
    TcpSegment segment;
    segment.header = *header;
    read_options(segment, bytes.subspan(TcpHeader::bytes, header->option_bytes()));
    return segment;
}

}  // namespace overlab::sim
