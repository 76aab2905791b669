// Checksums against numbers worked out elsewhere.
#include <catch2/catch.hpp>

#include "models/net/bytes.h"
#include "models/net/checksum.h"
#include "models/net/wire.h"
#include "tests/support/hex.h"

using namespace overlab;
using overlab::test::from_hex;

TEST_CASE("the internet checksum is that of RFC 1071") {
    // §3: the sum of 0001 f203 f4f5 f6f7 is 2ddf0, folded ddf2.
    const auto example = from_hex("0001 f203 f4f5 f6f7");
    CHECK(ones_complement_sum(example) == 0xddf2);
    CHECK(internet_checksum(example) == 0x220d);
    CHECK(internet_checksum({}) == 0xffff);
}

TEST_CASE("an odd last octet is summed as if zero followed") {
    CHECK(ones_complement_sum(from_hex("0001 f2")) == 0xf201);
    CHECK(ones_complement_sum(from_hex("0001 f200")) == 0xf201);
}

TEST_CASE("a sum in two parts equals the sum of the whole") {
    const auto whole = from_hex("ffff f203 f4f5 f6f7 8001");
    const std::span<const std::uint8_t> all(whole);
    CHECK(ones_complement_sum(all.subspan(6), ones_complement_sum(all.first(6))) ==
          ones_complement_sum(all));
}

TEST_CASE("a UDP checksum covers the pseudo-header") {
    // 192.0.2.1:1000 -> 198.51.100.7:2000, payload "hi".
    const Ipv4Address source{0xc0000201}, destination{0xc6336407};
    auto datagram = from_hex("03e8 07d0 000a 0000 6869");

    const std::uint16_t checksum = udp_checksum(source, destination, datagram);
    store_be16(&datagram[6], checksum);

    const std::uint32_t sum =
        0xc000 + 0x0201 + 0xc633 + 0x6407 + 0x0011 + 0x000a + 0x03e8 + 0x07d0 + 0x000a + 0x6869;
    CHECK(checksum == 0xffff - ((sum & 0xffff) + (sum >> 16)));
    CHECK(transport_checksum(source, destination, ip_protocol::udp, datagram) == 0);
}

TEST_CASE("a UDP checksum that comes out zero is sent as all ones") {
    const Ipv4Address source{0xc0000201}, destination{0xc6336407};
    auto datagram = from_hex("03e8 07d0 000a 0000 0000");
    const std::uint16_t free_word = udp_checksum(source, destination, datagram);
    store_be16(&datagram[8], free_word);

    CHECK(transport_checksum(source, destination, ip_protocol::udp, datagram) == 0);
    CHECK(udp_checksum(source, destination, datagram) == 0xffff);
}

TEST_CASE("the incremental update gives RFC 1624's answer, not RFC 1141's") {
    // §4: HC = dd2f, m = 5555, m' = 3285; the wrong formula gives ffff.
    CHECK(updated_checksum(0xdd2f, 0x5555, 0x3285) == 0x0000);
}

TEST_CASE("lowering the TTL keeps the IPv4 checksum right") {
    auto header = from_hex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7");
    decrement_ipv4_ttl(header.data());

    CHECK(header[8] == 0x3f);
    CHECK(internet_checksum(header) == 0);
}

TEST_CASE("loads and stores are big-endian") {
    const auto octets = from_hex("0102 0304 0506 0708");
    CHECK(load_be16(octets.data()) == 0x0102);
    CHECK(load_be32(octets.data()) == 0x01020304);
    CHECK(load_be48(octets.data()) == 0x010203040506);
    CHECK(load_be64(octets.data()) == 0x0102030405060708);
}
