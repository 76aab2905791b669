// The pcapng encoder against octets laid out by hand and against tshark.
#include "models/net/pcapng.h"

#include <catch2/catch.hpp>

#include "models/net/wire.h"
#include "tests/support/hex.h"
#include "tests/support/tshark.h"

using namespace overlab;
using namespace overlab::test;

namespace {

using File = std::vector<std::uint8_t>;

File file_with_interfaces(std::initializer_list<std::string_view> names) {
    File file;
    pcapng::append_section_header(file);
    for (const auto name : names) pcapng::append_interface(file, name);
    return file;
}

/// An ARP request in an Ethernet frame: 42 octets, so that padding is needed.
std::vector<std::uint8_t> arp_frame() {
    std::vector<std::uint8_t> frame(EthernetHeader::bytes + ArpPacket::bytes);
    EthernetHeader{.destination = MacAddress::broadcast(),
                   .source = {0x0200'0000'0001},
                   .ether_type = ether_type::arp}
        .encode(frame);
    ArpPacket{.sender_mac = {0x0200'0000'0001},
              .sender_ip = {0xc0000201},
              .target_mac = {},
              .target_ip = {0xc0000202}}
        .encode(std::span(frame).subspan(EthernetHeader::bytes));
    return frame;
}

}  // namespace

TEST_CASE("a section header names the application") {
    File file;
    pcapng::append_section_header(file);
    CHECK(to_hex(file) == to_hex(from_hex("0a0d0d0a 2c000000 4d3c2b1a 0100 0000 ffffffffffffffff"
                                          "0400 0700 6f7665726c6162 00 0000 0000 2c000000")));
}

TEST_CASE("an interface has a name and nanosecond time stamps") {
    File file;
    pcapng::append_interface(file, "h1--s1");
    CHECK(to_hex(file) == to_hex(from_hex("01000000 2c000000 0100 0000 00000000"
                                          "0200 0600 68312d2d7331 0000"
                                          "0900 0100 09 000000 0000 0000 2c000000")));
}

TEST_CASE("a packet is padded to four octets and carries comment and direction") {
    const std::vector<std::uint8_t> frame{0xaa, 0xbb, 0xcc, 0xdd, 0xee};
    File file;
    pcapng::append_packet(file, {.interface_id = 2,
                                 .time = {0x1'0000'0007},
                                 .direction = pcapng::Direction::outbound,
                                 .frame = frame,
                                 .original_bytes = 1500,
                                 .comment = "drop"});
    CHECK(to_hex(file) ==
          to_hex(from_hex("06000000 3c000000 02000000 01000000 07000000 05000000 dc050000"
                          "aabbccddee 000000 0100 0400 64726f70 0200 0400 02000000"
                          "0000 0000 3c000000")));
}

TEST_CASE("a packet without options has no option list") {
    const std::vector<std::uint8_t> frame{0xaa, 0xbb, 0xcc, 0xdd};
    File file;
    pcapng::append_packet(file, {.frame = frame});
    CHECK(to_hex(file) == to_hex(from_hex("06000000 24000000 00000000 00000000 00000000 04000000"
                                          "04000000 aabbccdd 24000000")));
}

TEST_CASE("tshark reads interface, time, direction, comment and frame") {
    const auto frame = arp_frame();
    File file = file_with_interfaces({"h1--s1", "h2--s1"});
    pcapng::append_packet(file, {.interface_id = 0,
                                 .time = {1'000'000'001},
                                 .direction = pcapng::Direction::inbound,
                                 .frame = frame});
    pcapng::append_packet(file, {.interface_id = 1,
                                 .time = {9'000'000'000'000'000'123},
                                 .direction = pcapng::Direction::outbound,
                                 .frame = frame,
                                 .comment = "queue full"});
    const TempFile capture(file);

    const std::string fields =
        tshark(capture.path(),
               "-T fields -E separator='|' -e frame.interface_name -e frame.time_epoch "
               "-e frame.packet_flags_direction -e frame.comment -e frame.len "
               "-e arp.src.proto_ipv4 -e arp.dst.proto_ipv4");

    CHECK(fields ==
          "h1--s1|1.000000001|0x00000001||42|192.0.2.1|192.0.2.2\n"
          "h2--s1|9000000000.000000123|0x00000002|queue full|42|192.0.2.1|192.0.2.2\n");
}

TEST_CASE("tshark finds nothing malformed in a capture of every length of frame") {
    File file = file_with_interfaces({"h1--s1"});
    const auto frame = arp_frame();
    constexpr int packets = 9;
    for (int extra = 0; extra < packets; ++extra) {
        auto padded = frame;
        for (int i = 0; i < extra; ++i) padded.push_back(0);
        pcapng::append_packet(file, {.time = {extra}, .frame = padded, .comment = "x"});
    }
    const TempFile capture(file);

    CHECK(tshark(capture.path(), "-Y _ws.malformed").empty());
    CHECK(tshark(capture.path(), "-T fields -e frame.len") ==
          "42\n43\n44\n45\n46\n47\n48\n49\n50\n");
}
