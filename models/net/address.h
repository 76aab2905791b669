// Addresses and prefixes. Host byte order inside; wire.h converts. All are plain ordered values
// with one canonical text form (RFC 4632 for IPv4 prefixes, RFC 5952 for IPv6).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab {

struct Ipv4Address {
    std::uint32_t bits = 0;  ///< host byte order: 192.0.2.1 is 0xc0000201

    friend constexpr auto operator<=>(Ipv4Address, Ipv4Address) = default;
    [[nodiscard]] constexpr bool is_unspecified() const { return bits == 0; }

    /// Exactly four decimal octets without leading zeros, else invalid_argument.
    [[nodiscard]] static Result<Ipv4Address> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
};

struct Ipv6Address {
    std::array<std::uint8_t, 16> bytes{};

    friend constexpr auto operator<=>(const Ipv6Address&, const Ipv6Address&) = default;
    [[nodiscard]] bool is_unspecified() const;

    /// RFC 4291 §2.2 forms, IPv4-mapped tail included; no zone index.
    [[nodiscard]] static Result<Ipv6Address> parse(std::string_view text);
    /// RFC 5952 canonical form.
    [[nodiscard]] std::string to_string() const;
};

struct MacAddress {
    std::uint64_t bits = 0;  ///< low 48 bits; the first octet on the wire is bits 47..40

    friend constexpr auto operator<=>(MacAddress, MacAddress) = default;
    [[nodiscard]] static constexpr MacAddress broadcast() { return {0xffff'ffff'ffffU}; }
    [[nodiscard]] constexpr bool is_multicast() const { return ((bits >> 40) & 1) != 0; }

    /// Six two-digit hex octets joined by ':'.
    [[nodiscard]] static Result<MacAddress> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
};

/// An IPv4 network: host bits are always zero, so equal networks compare equal.
/// Ordered by address, then by length.
struct Ipv4Prefix {
    Ipv4Address network;
    std::uint8_t length = 0;  ///< 0..32

    friend constexpr auto operator<=>(Ipv4Prefix, Ipv4Prefix) = default;

    /// Masks host bits off. length <= 32.
    [[nodiscard]] static Ipv4Prefix of(Ipv4Address address, unsigned length);
    /// `a.b.c.d/len`. Host bits in the text are masked off, as Go's net.ParseCIDR does.
    [[nodiscard]] static Result<Ipv4Prefix> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;

    [[nodiscard]] static constexpr std::uint32_t mask_of(unsigned length) {
        return length == 0 ? 0U : ~std::uint32_t{0} << (32U - length);
    }
    [[nodiscard]] constexpr std::uint32_t mask() const { return mask_of(length); }
    [[nodiscard]] constexpr bool contains(Ipv4Address a) const {
        return (a.bits & mask()) == network.bits;
    }
    [[nodiscard]] constexpr bool contains(Ipv4Prefix other) const {
        return other.length >= length && contains(other.network);
    }
    [[nodiscard]] constexpr bool overlaps(Ipv4Prefix other) const {
        return contains(other) || other.contains(*this);
    }
    /// The network's `offset`-th address. offset must lie inside the prefix.
    [[nodiscard]] Ipv4Address at(std::uint64_t offset) const;
    [[nodiscard]] constexpr std::uint64_t size() const {
        return std::uint64_t{1} << (32U - length);
    }
};

/// As Ipv4Prefix, for IPv6. length 0..128.
struct Ipv6Prefix {
    Ipv6Address network;
    std::uint8_t length = 0;

    friend constexpr auto operator<=>(const Ipv6Prefix&, const Ipv6Prefix&) = default;

    [[nodiscard]] static Ipv6Prefix of(const Ipv6Address& address, unsigned length);
    [[nodiscard]] static Result<Ipv6Prefix> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    [[nodiscard]] bool contains(const Ipv6Address& a) const;
    [[nodiscard]] bool contains(const Ipv6Prefix& other) const;
    [[nodiscard]] bool overlaps(const Ipv6Prefix& other) const;
};

}  // namespace overlab
