// Text forms of addresses and prefixes. Parsers accept what Linux and Go's net package accept in
// the canonical case and nothing looser: no leading zeros in IPv4 octets (some readers take them as
// octal), no zone index, no surrounding blanks. Every error quotes the text and says what was
// expected.
#include "models/net/address.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "models/base/check.h"

namespace overlab {
namespace {

constexpr unsigned ipv4_bits = 32;
constexpr unsigned ipv6_bits = 128;
constexpr std::size_t ipv6_groups = 8;
constexpr std::size_t mac_text_length = 17;

/// `text` for a message: bounded, and without bytes that would disturb a terminal.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 64;
    std::string shown = "\"";
    for (const char c : text.substr(0, longest)) shown += (c >= ' ' && c <= '~') ? c : '?';
    return shown + (text.size() > longest ? "...\"" : "\"");
}

std::unexpected<Error> expected_form(std::string_view noun, std::string_view text,
                                     std::string_view form) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} {}: expected {}", noun, quoted(text), form));
}

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

/// 1 to `most_digits` decimal digits without a leading zero, at most `largest`.
std::optional<unsigned> decimal(std::string_view text, std::size_t most_digits, unsigned largest) {
    if (text.empty() || text.size() > most_digits) return std::nullopt;
    if (text.size() > 1 && text[0] == '0') return std::nullopt;
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value <= largest ? std::optional(value) : std::nullopt;
}

std::optional<std::uint32_t> ipv4_bits_of(std::string_view text) {
    std::uint32_t bits = 0;
    for (int octet = 0; octet < 4; ++octet) {
        const std::size_t end = octet < 3 ? text.find('.') : text.size();
        if (end == std::string_view::npos) return std::nullopt;
        const auto value = decimal(text.substr(0, end), 3, 255);
        if (!value) return std::nullopt;
        bits = bits << 8 | *value;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return bits;
}

using Groups = std::array<std::uint16_t, ipv6_groups>;

/// One side of "::" (or the whole text): groups joined by ':', the last one possibly a dotted IPv4
/// address when `ipv4_tail`. Returns how many of `groups` were filled; nothing when malformed.
std::optional<std::size_t> read_groups(std::string_view text, bool ipv4_tail, Groups& groups) {
    std::size_t count = 0;
    if (text.empty()) return count;
    for (;;) {
        const std::size_t colon = text.find(':');
        const std::string_view token = text.substr(0, colon);
        const bool last = colon == std::string_view::npos;
        if (last && ipv4_tail && token.find('.') != std::string_view::npos) {
            const auto bits = ipv4_bits_of(token);
            if (!bits || count + 2 > ipv6_groups) return std::nullopt;
            groups[count++] = static_cast<std::uint16_t>(*bits >> 16);
            groups[count++] = static_cast<std::uint16_t>(*bits & 0xffff);
            return count;
        }
        if (token.empty() || token.size() > 4 || count == ipv6_groups) return std::nullopt;
        unsigned value = 0;
        for (const char c : token) {
            const auto digit = hex_digit(c);
            if (!digit) return std::nullopt;
            value = value << 4 | *digit;
        }
        groups[count++] = static_cast<std::uint16_t>(value);
        if (last) return count;
        text.remove_prefix(colon + 1);
    }
}

std::optional<Groups> ipv6_groups_of(std::string_view text) {
    Groups head{};
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        const auto count = read_groups(text, true, head);
        return count == ipv6_groups ? std::optional(head) : std::nullopt;
    }
    Groups tail{};
    const auto before = read_groups(text.substr(0, gap), false, head);
    const auto after = read_groups(text.substr(gap + 2), true, tail);
    // RFC 4291 §2.2: "::" stands for one or more groups, so at most seven are written out.
    if (!before || !after || *before + *after >= ipv6_groups) return std::nullopt;
    std::copy_n(tail.begin(), *after, head.end() - static_cast<std::ptrdiff_t>(*after));
    return head;
}

struct Run {
    std::size_t start = 0, length = 0;
};

/// RFC 5952 §4.2: the first of the longest runs of zero groups; a single group is not shortened.
Run longest_zero_run(std::span<const std::uint16_t> groups) {
    Run best, current;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (groups[i] != 0) {
            current = {};
            continue;
        }
        if (current.length == 0) current.start = i;
        ++current.length;
        if (current.length > best.length) best = current;
    }
    return best.length >= 2 ? best : Run{};
}

struct PrefixText {
    std::string_view address;
    unsigned length = 0;
};

std::optional<PrefixText> split_prefix(std::string_view text, unsigned longest) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto length = decimal(text.substr(slash + 1), 3, longest);
    if (!length) return std::nullopt;
    return PrefixText{text.substr(0, slash), *length};
}

bool same_leading_bits(const Ipv6Address& a, const Ipv6Address& b, unsigned length) {
    return Ipv6Prefix::of(a, length).network == Ipv6Prefix::of(b, length).network;
}

}  // namespace

Result<Ipv4Address> Ipv4Address::parse(std::string_view text) {
    if (const auto bits = ipv4_bits_of(text)) return Ipv4Address{*bits};
    return expected_form("IPv4 address", text,
                         "four decimal octets (0 to 255, no leading zeros) as in 192.0.2.1");
}

std::string Ipv4Address::to_string() const {
    return fmt::format("{}.{}.{}.{}", bits >> 24, bits >> 16 & 0xff, bits >> 8 & 0xff, bits & 0xff);
}

bool Ipv6Address::is_unspecified() const { return *this == Ipv6Address{}; }

Result<Ipv6Address> Ipv6Address::parse(std::string_view text) {
    const auto groups = ipv6_groups_of(text);
    if (!groups) {
        return expected_form("IPv6 address", text,
                             "eight groups of one to four hex digits, one run of zero groups "
                             "possibly written \"::\", as in 2001:db8::1");
    }
    Ipv6Address address;
    for (std::size_t i = 0; i < ipv6_groups; ++i) {
        address.bytes[2 * i] = static_cast<std::uint8_t>((*groups)[i] >> 8);
        address.bytes[2 * i + 1] = static_cast<std::uint8_t>((*groups)[i] & 0xff);
    }
    return address;
}

std::string Ipv6Address::to_string() const {
    Groups groups{};
    for (std::size_t i = 0; i < ipv6_groups; ++i) {
        groups[i] = static_cast<std::uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
    const std::span<const std::uint16_t> all(groups);
    // RFC 5952 §5: IPv4-mapped addresses (::ffff:0:0/96) end in dotted decimal.
    if (groups[5] == 0xffff && longest_zero_run(all.first(5)).length == 5) {
        const auto low = std::uint32_t{groups[6]} << 16 | groups[7];
        return "::ffff:" + Ipv4Address{low}.to_string();
    }
    const Run zeros = longest_zero_run(all);
    if (zeros.length == 0) return fmt::format("{:x}", fmt::join(groups, ":"));
    return fmt::format("{:x}::{:x}", fmt::join(all.first(zeros.start), ":"),
                       fmt::join(all.subspan(zeros.start + zeros.length), ":"));
}

Result<MacAddress> MacAddress::parse(std::string_view text) {
    const auto malformed = [&] {
        return expected_form("MAC address", text,
                             "six two-digit hex octets joined by ':' as in 02:00:00:00:00:01");
    };
    if (text.size() != mac_text_length) return malformed();
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < mac_text_length; ++i) {
        if (i % 3 == 2) {
            if (text[i] != ':') return malformed();
            continue;
        }
        const auto digit = hex_digit(text[i]);
        if (!digit) return malformed();
        bits = bits << 4 | *digit;
    }
    return MacAddress{bits};
}

std::string MacAddress::to_string() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bits >> 40 & 0xff,
                       bits >> 32 & 0xff, bits >> 24 & 0xff, bits >> 16 & 0xff, bits >> 8 & 0xff,
                       bits & 0xff);
}

Ipv4Prefix Ipv4Prefix::of(Ipv4Address address, unsigned length) {
    CHECK(length <= ipv4_bits);
    return {{address.bits & mask_of(length)}, static_cast<std::uint8_t>(length)};
}

Result<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) {
    if (const auto parts = split_prefix(text, ipv4_bits)) {
        if (const auto bits = ipv4_bits_of(parts->address)) return of({*bits}, parts->length);
    }
    return expected_form("IPv4 prefix", text,
                         "an IPv4 address, '/' and a length of 0 to 32 as in 192.0.2.0/24");
}

std::string Ipv4Prefix::to_string() const {
    return fmt::format("{}/{}", network.to_string(), length);
}

Ipv4Address Ipv4Prefix::at(std::uint64_t offset) const {
    CHECK(offset < size());
    return {network.bits + static_cast<std::uint32_t>(offset)};
}

Ipv6Prefix Ipv6Prefix::of(const Ipv6Address& address, unsigned length) {
    CHECK(length <= ipv6_bits);
    Ipv6Prefix prefix{address, static_cast<std::uint8_t>(length)};
    for (unsigned i = 0; i < prefix.network.bytes.size(); ++i) {
        const unsigned kept = std::clamp(length, 8 * i, 8 * i + 8) - 8 * i;
        prefix.network.bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
    }
    return prefix;
}

Result<Ipv6Prefix> Ipv6Prefix::parse(std::string_view text) {
    if (const auto parts = split_prefix(text, ipv6_bits)) {
        if (const auto address = Ipv6Address::parse(parts->address)) {
            return of(*address, parts->length);
        }
    }
    return expected_form("IPv6 prefix", text,
                         "an IPv6 address, '/' and a length of 0 to 128 as in 2001:db8::/32");
}

std::string Ipv6Prefix::to_string() const {
    return fmt::format("{}/{}", network.to_string(), length);
}

bool Ipv6Prefix::contains(const Ipv6Address& a) const {
    return same_leading_bits(a, network, length);
}

bool Ipv6Prefix::contains(const Ipv6Prefix& other) const {
    return other.length >= length && contains(other.network);
}

bool Ipv6Prefix::overlaps(const Ipv6Prefix& other) const {
    return contains(other) || other.contains(*this);
}

}  // namespace overlab
