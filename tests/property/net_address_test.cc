// Addresses and prefixes against glibc's parser and printer, and prefix algebra against single
// bits.
#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <string>

#include "models/net/address.h"

#include "tests/support/property.h"

using namespace overlab;
using overlab::test::holds;

namespace {

/// Half of the groups zero, so that "::" has something to do.
rc::Gen<Ipv6Address> ipv6_addresses() {
    return rc::gen::map(
        rc::gen::container<std::array<std::uint8_t, 16>>(rc::gen::arbitrary<std::uint8_t>()),
        [](std::array<std::uint8_t, 16> bytes) {
            const unsigned zeroed = bytes[15];  // arbitrary enough: which groups to clear
            for (unsigned group = 0; group < 7; ++group) {
                if ((zeroed >> group & 1) != 0) bytes[2 * group] = bytes[2 * group + 1] = 0;
            }
            return Ipv6Address{bytes};
        });
}

rc::Gen<Ipv4Prefix> ipv4_prefixes() {
    // Few distinct upper bits, so that prefixes often contain one another.
    return rc::gen::apply(
        [](std::uint32_t bits, unsigned length) {
            return Ipv4Prefix::of({0x0a000000U | (bits & 0xc0030003U)}, length);
        },
        rc::gen::arbitrary<std::uint32_t>(), rc::gen::inRange(0U, 33U));
}

rc::Gen<Ipv6Prefix> ipv6_prefixes() {
    return rc::gen::apply([](const Ipv6Address& a, unsigned n) { return Ipv6Prefix::of(a, n); },
                          ipv6_addresses(), rc::gen::inRange(0U, 129U));
}

/// A correct text, with up to three characters replaced, inserted or removed.
std::string damaged(std::string text, const std::string& alphabet) {
    const int edits = *rc::gen::inRange(0, 4);
    for (int i = 0; i < edits; ++i) {
        const auto at = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
        const char c = *rc::gen::elementOf(alphabet);
        switch (*rc::gen::inRange(0, 3)) {
            case 0:
                text.insert(at, 1, c);
                break;
            case 1:
                text.erase(at, 1);
                break;
            default:
                if (at < text.size()) text[at] = c;
        }
    }
    return text;
}

bool bit(std::uint32_t bits, unsigned i) { return (bits >> (31 - i) & 1) != 0; }
bool bit(const Ipv6Address& a, unsigned i) { return (a.bytes[i / 8] >> (7 - i % 8) & 1) != 0; }
bool bit(Ipv4Address a, unsigned i) { return bit(a.bits, i); }

/// The definition of membership: the leading bits agree, one by one.
template <typename Prefix, typename Address>
bool agrees(const Prefix& prefix, const Address& address) {
    for (unsigned i = 0; i < prefix.length; ++i) {
        if (bit(prefix.network, i) != bit(address, i)) return false;
    }
    return true;
}

template <typename Prefix>
void algebra_is_that_of_bits(const Prefix& a, const Prefix& b) {
    const bool a_holds_b = a.length <= b.length && agrees(a, b.network);
    const bool b_holds_a = b.length <= a.length && agrees(b, a.network);
    RC_ASSERT(a.contains(b) == a_holds_b);
    RC_ASSERT(a.contains(b.network) == agrees(a, b.network));
    RC_ASSERT(a.overlaps(b) == (a_holds_b || b_holds_a));
    RC_ASSERT(a.overlaps(b) == b.overlaps(a));
    RC_ASSERT(a.contains(a));
    RC_ASSERT(a.contains(a.network));
}

}  // namespace

TEST_CASE("reading what was printed gives the same value") {
    holds([] {
        const Ipv4Address v4{*rc::gen::arbitrary<std::uint32_t>()};
        const MacAddress mac{*rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 48)};
        const Ipv6Address v6 = *ipv6_addresses();
        const Ipv4Prefix p4 = *ipv4_prefixes();
        const Ipv6Prefix p6 = *ipv6_prefixes();
        RC_ASSERT(Ipv4Address::parse(v4.to_string()).value() == v4);
        RC_ASSERT(MacAddress::parse(mac.to_string()).value() == mac);
        RC_ASSERT(Ipv6Address::parse(v6.to_string()).value() == v6);
        RC_ASSERT(Ipv4Prefix::parse(p4.to_string()).value() == p4);
        RC_ASSERT(Ipv6Prefix::parse(p6.to_string()).value() == p6);
    });
}

TEST_CASE("IPv4 texts mean to us what they mean to glibc, damaged ones too") {
    holds(
        [] {
            const Ipv4Address address{*rc::gen::arbitrary<std::uint32_t>()};
            const std::string text = damaged(address.to_string(), "0123456789.. x");
            in_addr reference{};
            const bool accepted = inet_pton(AF_INET, text.c_str(), &reference) == 1;

            const auto parsed = Ipv4Address::parse(text);
            RC_ASSERT(parsed.has_value() == accepted);
            if (parsed) RC_ASSERT(parsed->bits == ntohl(reference.s_addr));
        },
        3000);
}

TEST_CASE("IPv6 texts mean to us what they mean to glibc, damaged ones too") {
    holds(
        [] {
            const Ipv6Address address = *ipv6_addresses();
            const std::string text = damaged(address.to_string(), "0123456789abcdefF:::..%");
            in6_addr reference{};
            const bool accepted = inet_pton(AF_INET6, text.c_str(), &reference) == 1;

            const auto parsed = Ipv6Address::parse(text);
            RC_ASSERT(parsed.has_value() == accepted);
            if (parsed)
                RC_ASSERT(
                    std::equal(parsed->bytes.begin(), parsed->bytes.end(), reference.s6_addr));
        },
        3000);
}

TEST_CASE("IPv6 addresses print as glibc prints them") {
    holds(
        [] {
            const Ipv6Address address = *ipv6_addresses();
            // glibc still writes the deprecated IPv4-compatible form, RFC 5952 does not ask for it.
            RC_PRE(!Ipv6Prefix::parse("::/96")->contains(address));
            char text[INET6_ADDRSTRLEN];
            RC_ASSERT(inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text) != nullptr);
            RC_ASSERT(address.to_string() == text);
        },
        1000);
}

TEST_CASE("IPv4 prefixes contain and overlap by their bits") {
    holds(
        [] {
            const Ipv4Prefix a = *ipv4_prefixes(), b = *ipv4_prefixes();
            algebra_is_that_of_bits(a, b);
            RC_ASSERT(a.at(a.size() - 1).bits - a.network.bits == a.size() - 1);
            RC_ASSERT(a.contains(a.at(a.size() - 1)));
        },
        2000);
}

TEST_CASE("IPv6 prefixes contain and overlap by their bits") {
    holds(
        [] {
            const Ipv6Prefix a = *ipv6_prefixes();
            // A relative of `a`, since two random prefixes hardly ever meet.
            Ipv6Address near = a.network;
            near.bytes[*rc::gen::inRange<std::size_t>(0, 16)] ^=
                static_cast<std::uint8_t>(1 << *rc::gen::inRange(0, 8));
            algebra_is_that_of_bits(a, Ipv6Prefix::of(near, *rc::gen::inRange(0U, 129U)));
        },
        2000);
}

TEST_CASE("a prefix keeps the bits it is as long as, and no other") {
    holds([] {
        const Ipv6Address address = *ipv6_addresses();
        const auto length = *rc::gen::inRange(0U, 129U);
        const Ipv6Prefix prefix = Ipv6Prefix::of(address, length);
        for (unsigned i = 0; i < 128; ++i) {
            RC_ASSERT(bit(prefix.network, i) == (i < length && bit(address, i)));
        }
        const Ipv4Address v4{*rc::gen::arbitrary<std::uint32_t>()};
        const auto v4_length = *rc::gen::inRange(0U, 33U);
        for (unsigned i = 0; i < 32; ++i) {
            RC_ASSERT(bit(Ipv4Prefix::of(v4, v4_length).network, i) ==
                      (i < v4_length && bit(v4, i)));
        }
    });
}
