// Super-packets come apart as the kernel would take them apart.
#include <vector>

#include "models/net/bytes.h"
#include "real/tun/segmenter.h"
#include "tests/unit/tun_packets.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

VnetHeader tcp_super(std::uint16_t chunk, std::uint8_t more = 0) {
    return {.flags = vnet::needs_checksum,
            .gso_type = static_cast<std::uint8_t>(vnet::gso_tcpv4 | more),
            .gso_size = chunk,
            .checksum_start = 20,
            .checksum_offset = 16};
}

PacketSpec spec_of(std::size_t payload_bytes) {
    PacketSpec spec;
    spec.ip.id = 0xffff;  // So that ids wrap.
    spec.tcp.sequence = 0xffff'ff00;
    spec.options = pattern(12);
    spec.payload = pattern(payload_bytes);
    return spec;
}

}  // namespace

TEST_CASE("Segmenter.PacketsAreThoseThatTcpWouldHaveSentSingly") {
    PacketSpec spec = spec_of(2500);
    spec.tcp.flags =
        TcpHeader::ack | TcpHeader::psh | TcpHeader::fin | TcpHeader::ece | TcpHeader::cwr;

    const auto packets = split(tcp_super(1000, vnet::gso_ecn), tcp_packet(spec));

    const std::uint8_t flags[] = {
        TcpHeader::ack | TcpHeader::ece | TcpHeader::cwr, TcpHeader::ack | TcpHeader::ece,
        TcpHeader::ack | TcpHeader::ece | TcpHeader::psh | TcpHeader::fin};
    REQUIRE(packets.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        PacketSpec one = spec;
        one.ip.id = static_cast<std::uint16_t>(spec.ip.id + i);
        one.tcp.sequence = spec.tcp.sequence + static_cast<std::uint32_t>(1000 * i);
        one.tcp.flags = flags[i];
        one.payload.assign(
            spec.payload.begin() + static_cast<long>(1000 * i),
            spec.payload.begin() + static_cast<long>(std::min<std::size_t>(2500, 1000 * i + 1000)));
        CHECK(packets[i] == tcp_packet(one));
    }
}

TEST_CASE("Segmenter.DatagramsHaveTheirOwnLengthAndChecksum") {
    PacketSpec spec;
    spec.payload = pattern(2100);
    const VnetHeader vnet{.flags = vnet::needs_checksum,
                          .gso_type = vnet::gso_udp_l4,
                          .gso_size = 700,
                          .checksum_start = 20,
                          .checksum_offset = 6};

    const auto packets = split(vnet, udp_packet(spec));

    REQUIRE(packets.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        PacketSpec one = spec;
        one.ip.id = static_cast<std::uint16_t>(i);
        one.payload.assign(spec.payload.begin() + static_cast<long>(700 * i),
                           spec.payload.begin() + static_cast<long>(700 * (i + 1)));
        CHECK(packets[i] == udp_packet(one));
    }
}

TEST_CASE("Segmenter.OnePacketStaysOne") {
    const Bytes packet = tcp_packet(spec_of(500));

    CHECK(split(tcp_super(500), packet) == std::vector<Bytes>{packet});
    CHECK(split(tcp_super(65000), packet) == std::vector<Bytes>{packet});
}

TEST_CASE("Segmenter.RefusesWhatIsNoSuperPacket") {
    const Bytes good = tcp_packet(spec_of(100));
    const auto broken = [&](std::size_t at, std::uint8_t value) {
        Bytes packet = good;
        packet[at] = value;
        return packet;
    };
    REQUIRE(plan_split(tcp_super(50), good));

    CHECK_FALSE(plan_split(tcp_super(0), good));                    // no chunk
    CHECK_FALSE(plan_split({.gso_type = 4, .gso_size = 9}, good));  // TCPv6
    CHECK_FALSE(plan_split({.gso_type = vnet::gso_udp_l4, .gso_size = 9}, good));
    CHECK_FALSE(plan_split(tcp_super(50), broken(0, 0x65)));   // IPv6
    CHECK_FALSE(plan_split(tcp_super(50), broken(0, 0x44)));   // 16-byte IP header
    CHECK_FALSE(plan_split(tcp_super(50), broken(6, 0x20)));   // a fragment
    CHECK_FALSE(plan_split(tcp_super(50), broken(9, 17)));     // UDP
    CHECK_FALSE(plan_split(tcp_super(50), broken(32, 0x40)));  // 16-byte TCP header
    CHECK_FALSE(plan_split(tcp_super(50), broken(3, 100)));    // shorter than what there is
    for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
        CHECK_FALSE(plan_split(tcp_super(50), std::span(good).first(bytes)));
    }
    CHECK_FALSE(plan_split(tcp_super(50), tcp_packet(spec_of(0))));  // no payload
}

TEST_CASE("Segmenter.CompletesAChecksumThatTheKernelLeftOpen") {
    const PacketSpec spec = spec_of(333);
    const Bytes whole = tcp_packet(spec);
    Bytes open = whole;
    store_be16(&open[36], pseudo_header_sum(spec.ip.source, spec.ip.destination, ip_protocol::tcp,
                                            static_cast<std::uint16_t>(whole.size() - 20)));

    REQUIRE(complete_checksum({.checksum_start = 20, .checksum_offset = 16}, open));

    CHECK(open == whole);
}

TEST_CASE("Segmenter.AChecksumFieldOutsideOfThePacketIsRefused") {
    Bytes packet = tcp_packet(spec_of(4));
    const auto end = static_cast<std::uint16_t>(packet.size());

    CHECK_FALSE(complete_checksum({.checksum_start = end, .checksum_offset = 0}, packet));
    CHECK_FALSE(complete_checksum({.checksum_start = 0xffff, .checksum_offset = 0xffff}, packet));
    CHECK_FALSE(complete_checksum(
        {.checksum_start = 20, .checksum_offset = static_cast<std::uint16_t>(end - 21)}, packet));
}
