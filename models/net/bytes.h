// Big-endian loads and stores and in-place IPv4 header edits for the packet path. Pointers, not
// spans: the caller has checked the length once for the whole packet. wire.h has the checked header
// values.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace overlab {

namespace detail {

/// Host order to or from big-endian: the swap is its own inverse.
template <typename Word>
[[nodiscard]] constexpr Word big_endian(Word word) {
    return std::endian::native == std::endian::little ? std::byteswap(word) : word;
}

template <typename Word>
[[nodiscard]] inline Word load_native(const std::uint8_t* from) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// A one's complement sum of 16-bit words, brought below 2^16 (RFC 1071 §2).
[[nodiscard]] constexpr std::uint16_t fold_sum(std::uint64_t sum) {
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

}  // namespace detail

[[nodiscard]] inline std::uint16_t load_be16(const std::uint8_t* from) {
    return detail::big_endian(detail::load_native<std::uint16_t>(from));
}
[[nodiscard]] inline std::uint32_t load_be32(const std::uint8_t* from) {
    return detail::big_endian(detail::load_native<std::uint32_t>(from));
}
[[nodiscard]] inline std::uint64_t load_be64(const std::uint8_t* from) {
    return detail::big_endian(detail::load_native<std::uint64_t>(from));
}
/// The low 48 bits, as MacAddress::bits.
[[nodiscard]] inline std::uint64_t load_be48(const std::uint8_t* from) {
    return std::uint64_t{load_be16(from)} << 32 | load_be32(from + 2);
}

inline void store_be16(std::uint8_t* to, std::uint16_t value) {
    value = detail::big_endian(value);
    std::memcpy(to, &value, sizeof value);
}
inline void store_be32(std::uint8_t* to, std::uint32_t value) {
    value = detail::big_endian(value);
    std::memcpy(to, &value, sizeof value);
}
inline void store_be64(std::uint8_t* to, std::uint64_t value) {
    value = detail::big_endian(value);
    std::memcpy(to, &value, sizeof value);
}
inline void store_be48(std::uint8_t* to, std::uint64_t value) {
    store_be16(to, static_cast<std::uint16_t>(value >> 32));
    store_be32(to + 2, static_cast<std::uint32_t>(value));
}

/// Where the fields of an option-less IPv4 header are.
namespace ipv4_offset {
inline constexpr std::size_t dscp_ecn = 1, total_length = 2, id = 4, fragment = 6, ttl = 8,
                             protocol = 9, checksum = 10, source = 12, destination = 16;
}

/// The checksum of a 20-byte IPv4 header, whatever its checksum field holds now.
[[nodiscard]] inline std::uint16_t ipv4_header_checksum(const std::uint8_t* header) {
    // RFC 1071 §2(B): the sum may be taken in either byte order and swapped at the end.
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 4) sum += detail::load_native<std::uint32_t>(header + i);
    sum += static_cast<std::uint16_t>(
        ~detail::load_native<std::uint16_t>(header + ipv4_offset::checksum));
    return static_cast<std::uint16_t>(~detail::big_endian(detail::fold_sum(sum)));
}

inline void write_ipv4_header_checksum(std::uint8_t* header) {
    store_be16(header + ipv4_offset::checksum, ipv4_header_checksum(header));
}

/// Takes one from TTL, which must not be 0, and keeps the checksum right.
inline void decrement_ipv4_ttl(std::uint8_t* header) {
    // As ip_decrease_ttl(): TTL is the upper byte of its word, so the checksum grows by 0x0100. RFC
    // 1624 §4 warns of this short form only where 0xffff could result: the end-around carry makes
    // it 0.
    std::uint32_t checksum = load_be16(header + ipv4_offset::checksum) + 0x0100U;
    checksum += static_cast<std::uint32_t>(checksum >= 0xffff);
    store_be16(header + ipv4_offset::checksum, static_cast<std::uint16_t>(checksum));
    --header[ipv4_offset::ttl];
}

}  // namespace overlab
