#include "models/net/checksum.h"

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab {

std::uint16_t ones_complement_sum(std::span<const std::uint8_t> data, std::uint16_t initial) {
    // RFC 1071 §2(B): summing in native order and swapping once gives the same result. A 64-bit sum
    // of 32-bit words cannot overflow below 16 GiB.
    std::uint64_t sum = detail::big_endian(initial);
    const std::size_t whole = data.size() & ~std::size_t{3};
    for (std::size_t i = 0; i < whole; i += 4) {
        sum += detail::load_native<std::uint32_t>(data.data() + i);
    }
    if (whole < data.size()) {
        std::array<std::uint8_t, 4> padded{};
        std::memcpy(padded.data(), data.data() + whole, data.size() - whole);
        sum += detail::load_native<std::uint32_t>(padded.data());
    }
    return detail::big_endian(detail::fold_sum(sum));
}

std::uint16_t internet_checksum(std::span<const std::uint8_t> data) {
    return static_cast<std::uint16_t>(~ones_complement_sum(data));
}

std::uint16_t pseudo_header_sum(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                                std::uint16_t length) {
    const std::uint64_t sum = std::uint64_t{source.bits} + destination.bits + protocol + length;
    return detail::fold_sum(sum);
}

std::uint16_t transport_checksum(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                                 std::span<const std::uint8_t> segment) {
    CHECK(segment.size() <= 0xffff);
    const auto length = static_cast<std::uint16_t>(segment.size());
    const auto pseudo = pseudo_header_sum(source, destination, protocol, length);
    return static_cast<std::uint16_t>(~ones_complement_sum(segment, pseudo));
}

std::uint16_t udp_checksum(Ipv4Address source, Ipv4Address destination,
                           std::span<const std::uint8_t> datagram) {
    const auto checksum = transport_checksum(source, destination, ip_protocol::udp, datagram);
    return checksum == 0 ? 0xffff : checksum;  // RFC 768: zero is sent as all ones
}

}  // namespace overlab
