// Every header against octets written out by hand, and what its decoder must refuse.
#include <catch2/catch.hpp>

#include "models/net/wire.h"
#include "tests/support/hex.h"

using namespace overlab;
using overlab::test::from_hex;
using overlab::test::to_hex;

namespace {

template <typename Header>
std::string encoded(const Header& header) {
    std::vector<std::uint8_t> octets(Header::bytes, 0xee);
    header.encode(octets);
    return to_hex(octets);
}

template <typename Header>
std::string refusal(const char* hex) {
    const auto decoded = Header::decode(from_hex(hex));
    return decoded ? "accepted" : decoded.error().what;
}

template <typename Header>
void is_exactly(const Header& header, const std::string& hex) {
    CHECK(encoded(header) == hex);
    const auto decoded = Header::decode(from_hex(hex));
    REQUIRE(decoded);
    CHECK(*decoded == header);
}

const Ipv4Address a = *Ipv4Address::parse("192.0.2.1");
const Ipv4Address b = *Ipv4Address::parse("198.51.100.7");
const MacAddress mac_a = *MacAddress::parse("02:00:00:00:00:0a");
const MacAddress mac_b = *MacAddress::parse("02:00:5e:10:20:30");

}  // namespace

TEST_CASE("an Ethernet header is destination, source, type") {
    is_exactly(EthernetHeader{.destination = mac_b, .source = mac_a, .ether_type = 0x86dd},
               "0200 5e10 2030 0200 0000 000a 86dd");
    CHECK(refusal<EthernetHeader>("0200 5e10 2030 0200 0000 000a 86") ==
          "Ethernet header: cut short, 13 of 14 bytes");
}

TEST_CASE("an ARP request carries both sides' addresses") {
    is_exactly(ArpPacket{.operation = ArpPacket::request,
                         .sender_mac = mac_a,
                         .sender_ip = a,
                         .target_mac = {},
                         .target_ip = b},
               "0001 0800 0604 0001 0200 0000 000a c000 0201 0000 0000 0000 c633 6407");
    CHECK(refusal<ArpPacket>(
              "0006 0800 0604 0001 0200 0000 000a c000 0201 0000 0000 0000 c633 6407") ==
          "ARP packet: not IPv4 over Ethernet");
    CHECK(refusal<ArpPacket>("0001") == "ARP packet: cut short, 2 of 28 bytes");
}

TEST_CASE("an IPv4 header carries its checksum") {
    // The header of a well known worked example (RFC 1071 arithmetic): checksum b861.
    const auto example = from_hex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7");
    const auto decoded = Ipv4Header::decode(example);

    REQUIRE(decoded);
    CHECK(decoded->total_length == 0x73);
    CHECK(decoded->dont_fragment);
    CHECK(decoded->protocol == ip_protocol::udp);
    CHECK(encoded(*decoded) == to_hex(example));
}

TEST_CASE("IPv4 fragment fields keep their places") {
    is_exactly(Ipv4Header{.dscp_ecn = 0xb9,
                          .total_length = 0x1234,
                          .id = 0xbeef,
                          .more_fragments = true,
                          .fragment_offset = 1480,
                          .ttl = 1,
                          .protocol = ip_protocol::esp,
                          .source = a,
                          .destination = b},
               "45b9 1234 beef 20b9 0132 dafa c000 0201 c633 6407");
}

TEST_CASE("the IPv4 decoder steps over options") {
    // Router alert (RFC 2113): 24 bytes of header.
    const auto decoded =
        Ipv4Header::decode(from_hex("4600 0018 0000 0000 0102 38a4 c000 0201 c633 6407 9404 0000"));

    REQUIRE(decoded);
    CHECK(decoded->header_bytes == 24);
    CHECK(decoded->total_length == 24);
    CHECK(decoded->destination == b);
}

TEST_CASE("broken IPv4 headers are refused with the reason") {
    const struct {
        const char *hex, *what;
    } rows[] = {
        {"4500 0073", "IPv4 header: cut short, 4 of 20 bytes"},
        {"6500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7", "IPv4 header: version 6"},
        {"4400 0073 0000 4000 4011 b961 c0a8 0001 c0a8 00c7", "IPv4 header: length 16"},
        {"4600 0073 0000 4000 4011 b761 c0a8 0001 c0a8 00c7",
         "IPv4 header: cut short, 20 of 24 bytes"},
        {"4500 0073 0000 4000 4011 b862 c0a8 0001 c0a8 00c7", "IPv4 header: wrong checksum 0xb862"},
        {"4500 0013 0000 4000 4011 b8c1 c0a8 0001 c0a8 00c7",
         "IPv4 header: total length 19 is below header length 20"},
    };
    for (const auto& row : rows) CHECK(refusal<Ipv4Header>(row.hex) == row.what);
}

TEST_CASE("a UDP header is four words") {
    is_exactly(UdpHeader{.source_port = 49152,
                         .destination_port = udp_port::linux_vxlan,
                         .length = 1480,
                         .checksum = 0xabcd},
               "c000 2118 05c8 abcd");
    CHECK(refusal<UdpHeader>("c000 2118 0007 0000") == "UDP header: length 7");
    CHECK(refusal<UdpHeader>("c000") == "UDP header: cut short, 2 of 8 bytes");
}

TEST_CASE("a TCP header says how long its options are") {
    // A SYN with MSS 1460 (4 octets of options).
    const auto syn = from_hex("9c40 01bb 1122 3344 0000 0000 6002 faf0 0000 0000 0204 05b4");
    const auto decoded = TcpHeader::decode(syn);

    REQUIRE(decoded);
    CHECK(decoded->option_bytes() == 4);
    CHECK(decoded->flags == TcpHeader::syn);
    CHECK(decoded->sequence == 0x11223344);
    CHECK(decoded->window == 0xfaf0);
    CHECK(encoded(*decoded) == to_hex(std::span(syn).first(20)));
    CHECK(refusal<TcpHeader>("9c40 01bb 1122 3344 0000 0000 4002 faf0 0000 0000") ==
          "TCP header: data offset 16");
    CHECK(refusal<TcpHeader>("9c40 01bb 1122 3344 0000 0000 6002 faf0 0000 0000") ==
          "TCP header: cut short, 20 of 24 bytes");
}

TEST_CASE("ICMP fragmentation needed carries the next hop's MTU") {
    const auto header = Icmpv4Header::too_big(1450);
    CHECK(header.next_hop_mtu() == 1450);
    is_exactly(header, "0304 0000 0000 05aa");
}

TEST_CASE("an ICMP echo request is complete once its checksum is written") {
    auto message = from_hex("0800 ffff 0001 0002 6162 63");
    write_icmp_checksum(message);
    CHECK(to_hex(message) == "0800 339a 0001 0002 6162 63");
    CHECK(refusal<Icmpv4Header>("0800 339a 0001") == "ICMP header: cut short, 6 of 8 bytes");
}

TEST_CASE("a VXLAN header has the I flag and the VNI in the upper three octets") {
    is_exactly(VxlanHeader{.vni = 0x123456}, "0800 0000 1234 5600");
    CHECK(VxlanHeader::decode(from_hex("ffff ffff 0000 01ff"))->vni == 1);
    CHECK(refusal<VxlanHeader>("f700 0000 0000 0100") == "VXLAN header: no VNI (I flag unset)");
    CHECK(refusal<VxlanHeader>("0800 0000 0000 01") == "VXLAN header: cut short, 7 of 8 bytes");
}

TEST_CASE("an ESP header is SPI and sequence number") {
    is_exactly(EspHeader{.spi = 0xc0000001, .sequence = 7}, "c000 0001 0000 0007");
    CHECK(refusal<EspHeader>("0000 0000 0000 0007") == "ESP header: SPI 0");
    CHECK(refusal<EspHeader>("c000 0001") == "ESP header: cut short, 4 of 8 bytes");
}

TEST_CASE("ESP pads to four octets and adds pad length, next header and ICV") {
    const struct {
        std::size_t inner;
        unsigned pad;
        std::size_t trailer;
    } rows[] = {{0, 2, 20}, {1, 1, 19}, {2, 0, 18}, {3, 3, 21}, {84, 2, 20}, {1423, 3, 21}};
    for (const auto& row : rows) {
        INFO(row.inner);
        CHECK(esp_padding(row.inner).pad_length == row.pad);
        CHECK(esp_trailer_bytes(row.inner) == row.trailer);
    }
}

TEST_CASE("an IKE header is 28 octets, version 2.0") {
    is_exactly(IkeHeader{.initiator_spi = 0x1122334455667788,
                         .responder_spi = 0,
                         .next_payload = 33,
                         .exchange_type = IkeHeader::ike_sa_init,
                         .flags = IkeHeader::flag_initiator,
                         .message_id = 0,
                         .length = 242},
               "1122 3344 5566 7788 0000 0000 0000 0000 2120 2208 0000 0000 0000 00f2");
    CHECK(refusal<IkeHeader>(
              "1122 3344 5566 7788 0000 0000 0000 0000 2110 2208 0000 0000 0000 00f2") ==
          "IKE header: version 1");
    CHECK(refusal<IkeHeader>(
              "1122 3344 5566 7788 0000 0000 0000 0000 2120 2208 0000 0000 0000 001b") ==
          "IKE header: length 27");
    CHECK(refusal<IkeHeader>("1122") == "IKE header: cut short, 2 of 28 bytes");
}
