// Headers survive encoding and decoding; checksums agree with the definition and with one another.
#include <array>
#include <vector>

#include "models/net/bytes.h"
#include "models/net/checksum.h"
#include "models/net/wire.h"

#include "tests/support/property.h"

using namespace overlab;
using overlab::test::holds;

namespace {

using Octets = std::vector<std::uint8_t>;

template <typename T>
T any() {
    return *rc::gen::arbitrary<T>();
}
std::uint16_t any16() { return any<std::uint16_t>(); }
Ipv4Address any_ip() { return {any<std::uint32_t>()}; }
MacAddress any_mac() { return {any<std::uint64_t>() & MacAddress::broadcast().bits}; }

/// A number whose every bit counts (arbitrary<> prefers small ones).
std::uint16_t at_least(std::uint16_t least) {
    return *rc::gen::inRange<std::uint16_t>(least, 0xffff);
}

Ipv4Header any_ipv4_header() {
    return {.dscp_ecn = any<std::uint8_t>(),
            .total_length = at_least(Ipv4Header::bytes),
            .id = any16(),
            .dont_fragment = any<bool>(),
            .more_fragments = any<bool>(),
            .fragment_offset = static_cast<std::uint16_t>(*rc::gen::inRange(0, 8192) * 8),
            .ttl = any<std::uint8_t>(),
            .protocol = any<std::uint8_t>(),
            .source = any_ip(),
            .destination = any_ip()};
}

template <typename Header>
void survives(const Header& header) {
    constexpr std::uint8_t untouched = 0xee;
    Octets octets(Header::bytes + 40, untouched);  // room for the longest TCP options, too
    header.encode(octets);
    RC_ASSERT((Header::decode(octets) == header));
    for (std::size_t i = Header::bytes; i < octets.size(); ++i) RC_ASSERT(octets[i] == untouched);
    RC_ASSERT(!Header::decode(std::span(octets).first(Header::bytes - 1)).has_value());
}

/// RFC 1071 §1, word by word.
std::uint16_t sum_by_definition(const Octets& octets) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < octets.size(); i += 2) {
        const unsigned low = i + 1 < octets.size() ? octets[i + 1] : 0;
        sum += static_cast<unsigned>(octets[i] << 8) + low;
        if (sum > 0xffff) sum -= 0xffff;
    }
    return static_cast<std::uint16_t>(sum);
}

Octets any_octets() { return any<Octets>(); }

}  // namespace

TEST_CASE("link and network headers decode to what was encoded") {
    holds([] {
        survives(
            EthernetHeader{.destination = any_mac(), .source = any_mac(), .ether_type = any16()});
        survives(ArpPacket{.operation = any16(),
                           .sender_mac = any_mac(),
                           .sender_ip = any_ip(),
                           .target_mac = any_mac(),
                           .target_ip = any_ip()});
        survives(any_ipv4_header());
        survives(Icmpv4Header{.type = any<std::uint8_t>(),
                              .code = any<std::uint8_t>(),
                              .checksum = any16(),
                              .identifier = any16(),
                              .sequence = any16()});
    });
}

TEST_CASE("transport headers decode to what was encoded") {
    holds([] {
        survives(UdpHeader{.source_port = any16(),
                           .destination_port = any16(),
                           .length = at_least(UdpHeader::bytes),
                           .checksum = any16()});
        survives(TcpHeader{.source_port = any16(),
                           .destination_port = any16(),
                           .sequence = any<std::uint32_t>(),
                           .acknowledgement = any<std::uint32_t>(),
                           .header_bytes = static_cast<std::uint8_t>(*rc::gen::inRange(5, 16) * 4),
                           .flags = any<std::uint8_t>(),
                           .window = any16(),
                           .checksum = any16(),
                           .urgent_pointer = any16()});
    });
}

TEST_CASE("tunnel headers decode to what was encoded") {
    holds([] {
        survives(VxlanHeader{.vni = any<std::uint32_t>() & 0xff'ffff});
        survives(EspHeader{.spi = any<std::uint32_t>() | 1, .sequence = any<std::uint32_t>()});
        survives(IkeHeader{.initiator_spi = any<std::uint64_t>(),
                           .responder_spi = any<std::uint64_t>(),
                           .next_payload = any<std::uint8_t>(),
                           .exchange_type = any<std::uint8_t>(),
                           .flags = any<std::uint8_t>(),
                           .message_id = any<std::uint32_t>(),
                           .length = any<std::uint32_t>() | 28});
    });
}

TEST_CASE("a sum is the one RFC 1071 defines, in one piece or two") {
    holds(
        [] {
            const Octets octets = any_octets();
            // 0 and 0xffff are the same one's complement number; only all-zero data sums to 0.
            const std::uint16_t sum = ones_complement_sum(octets);
            RC_ASSERT(sum % 0xffff == sum_by_definition(octets) % 0xffff);
            RC_ASSERT((sum == 0) ==
                      std::ranges::all_of(octets, [](auto octet) { return octet == 0; }));

            const auto cut = *rc::gen::inRange<std::size_t>(0, octets.size() / 2 + 1) * 2;
            const std::span<const std::uint8_t> all(octets);
            RC_ASSERT(ones_complement_sum(all.subspan(cut), ones_complement_sum(all.first(cut))) ==
                      sum);
        },
        1000);
}

TEST_CASE("updating a checksum for one changed word equals computing it again") {
    holds(
        [] {
            Octets octets = any_octets();
            octets.push_back(1);  // never all zero: RFC 1624 assumes a nonzero sum
            octets.resize((octets.size() + 3) / 2 * 2);
            const auto word = *rc::gen::inRange<std::size_t>(0, octets.size() / 2) * 2;
            const std::uint16_t before = load_be16(&octets[word]);
            const std::uint16_t now = any16();
            const std::uint16_t checksum = internet_checksum(octets);

            store_be16(&octets[word], now);
            RC_PRE(ones_complement_sum(octets) != 0);

            RC_ASSERT(updated_checksum(checksum, before, now) == internet_checksum(octets));
        },
        1000);
}

TEST_CASE("lowering the TTL equals encoding the header with the lower TTL") {
    holds(
        [] {
            Ipv4Header header = any_ipv4_header();
            header.ttl = static_cast<std::uint8_t>(header.ttl | 1);
            std::array<std::uint8_t, Ipv4Header::bytes> lowered{}, encoded{};
            header.encode(lowered);

            decrement_ipv4_ttl(lowered.data());

            --header.ttl;
            header.encode(encoded);
            RC_ASSERT(lowered == encoded);
        },
        5000);
}

TEST_CASE("lowering the TTL is right for every checksum") {
    // All 65536 values of the id run the checksum through its whole range, 0x0000 included.
    Ipv4Header header{.ttl = 64, .protocol = ip_protocol::udp, .source = {0xc0000201}};
    std::array<std::uint8_t, Ipv4Header::bytes> octets{};
    std::uint32_t right = 0;
    for (std::uint32_t id = 0; id <= 0xffff; ++id) {
        header.id = static_cast<std::uint16_t>(id);
        header.encode(octets);
        decrement_ipv4_ttl(octets.data());
        right += load_be16(&octets[10]) == ipv4_header_checksum(octets.data()) ? 1 : 0;
    }
    CHECK(right == 0x10000);
}

TEST_CASE("a datagram with its checksum filled in checks, and one flipped bit does not") {
    holds([] {
        Octets datagram(UdpHeader::bytes, 0);
        const Octets payload = any_octets();
        datagram.insert(datagram.end(), payload.begin(), payload.end());
        const Ipv4Address source = any_ip(), destination = any_ip();
        store_be16(&datagram[6], udp_checksum(source, destination, datagram));
        RC_ASSERT(transport_checksum(source, destination, ip_protocol::udp, datagram) == 0);

        datagram[*rc::gen::inRange<std::size_t>(0, datagram.size())] ^= 0x10;
        RC_ASSERT(transport_checksum(source, destination, ip_protocol::udp, datagram) != 0);
    });
}
