// ESP sealing against OpenSSL's answer, against itself, and against tshark, which gets only the key
// line.
#include "sim/esp_cipher.h"

#include <catch2/catch.hpp>

#include "models/net/checksum.h"
#include "models/net/pcapng.h"
#include "models/net/wire.h"
#include "tests/support/hex.h"
#include "tests/support/tshark.h"

using namespace overlab;
using namespace overlab::test;
using sim::EspKey;

namespace {

constexpr std::uint32_t spi = 0xc0000001;

EspKey example_key() {
    EspKey key;
    std::ranges::copy(from_hex("4c80cdefbb5d10da906ac73c3613a634"), key.key.begin());
    std::ranges::copy(from_hex("2e443b68"), key.salt.begin());
    return key;
}

/// A UDP datagram from pod to pod, `payload_bytes` of 'x'.
std::vector<std::uint8_t> inner_packet(std::size_t payload_bytes) {
    const Ipv4Address source{0x0af40102}, destination{0x0af40202};
    const auto udp_length = static_cast<std::uint16_t>(UdpHeader::bytes + payload_bytes);
    std::vector<std::uint8_t> packet(Ipv4Header::bytes + udp_length, 'x');
    Ipv4Header{.total_length = static_cast<std::uint16_t>(packet.size()),
               .protocol = ip_protocol::udp,
               .source = source,
               .destination = destination}
        .encode(packet);
    const auto datagram = std::span(packet).subspan(Ipv4Header::bytes);
    UdpHeader header{.source_port = 4000, .destination_port = 5000, .length = udp_length};
    header.encode(datagram);
    header.checksum = udp_checksum(source, destination, datagram);
    header.encode(datagram);
    return packet;
}

/// An ESP packet on its way from 192.0.2.1 to 192.0.2.2, as a frame.
std::vector<std::uint8_t> frame_around(std::span<const std::uint8_t> esp) {
    std::vector<std::uint8_t> frame(EthernetHeader::bytes + Ipv4Header::bytes);
    EthernetHeader{.destination = {0x0200'0000'0002}, .source = {0x0200'0000'0001}}.encode(frame);
    Ipv4Header{.total_length = static_cast<std::uint16_t>(Ipv4Header::bytes + esp.size()),
               .protocol = ip_protocol::esp,
               .source = {0xc0000201},
               .destination = {0xc0000202}}
        .encode(std::span(frame).subspan(EthernetHeader::bytes));
    frame.insert(frame.end(), esp.begin(), esp.end());
    return frame;
}

std::string refusal(const EspKey& key, std::span<const std::uint8_t> packet) {
    const auto opened = sim::esp_open(key, packet);
    return opened ? "opened" : opened.error().what;
}

}  // namespace

TEST_CASE("sealing gives the octets that OpenSSL gives") {
    // Python: AESGCM(key).encrypt(salt + iv, inner + 01 01 04, spi + sequence), pad length 1.
    const auto inner =
        from_hex("4500 001d 0000 4000 4001 89e9 0af4 0102 0af4 0202 0800 f7ff 0000 0000 aa");

    CHECK(to_hex(sim::esp_seal(example_key(), spi, 7, inner)) ==
          "c000 0001 0000 0007 0000 0000 0000 0007 0e62 4249 2065 a37b 7d77 aee3 5b83 998d "
          "b8e4 2668 143e edfb 4855 40cc 5388 0dea 139e efde 5b49 8d73 25fe bb88 113e affd");
}

TEST_CASE("what was sealed opens to the same packet, at every padding") {
    for (std::size_t payload = 0; payload < 9; ++payload) {
        const auto inner = inner_packet(payload);
        const auto packet = sim::esp_seal(example_key(), spi, 1, inner);

        CHECK(packet.size() ==
              EspHeader::bytes + esp_iv_bytes + inner.size() + esp_trailer_bytes(inner.size()));
        CHECK(sim::esp_open(example_key(), packet) == inner);
    }
}

TEST_CASE("an altered, cut or foreign ESP packet does not open") {
    const auto packet = sim::esp_seal(example_key(), spi, 1, inner_packet(3));

    for (const std::size_t position : {5UL, 9UL, 20UL, packet.size() - 1}) {
        auto altered = packet;
        altered[position] ^= 1;
        CHECK(refusal(example_key(), altered) ==
              "ESP packet with SPI 0xc0000001: ICV does not match");
    }
    EspKey other_salt = example_key();
    other_salt.salt[0] ^= 1;
    CHECK(refusal(other_salt, packet) == "ESP packet with SPI 0xc0000001: ICV does not match");
    CHECK(refusal(example_key(), std::span(packet).first(35)) ==
          "ESP packet with SPI 0xc0000001: 35 bytes is no ESP length");
    CHECK(refusal(example_key(), std::span(packet).first(6)) ==
          "ESP header: cut short, 6 of 8 bytes");
}

TEST_CASE("one key line is what Wireshark's esp_sa table expects") {
    CHECK(sim::wireshark_esp_sa({0xc0000201}, {0xc0000202}, spi, example_key()) ==
          "\"IPv4\",\"192.0.2.1\",\"192.0.2.2\",\"0xc0000001\","
          "\"AES-GCM with 16 octet ICV [RFC4106]\","
          "\"0x4c80cdefbb5d10da906ac73c3613a6342e443b68\",\"NULL\",\"\"");
}

TEST_CASE("tshark decrypts sealed packets with the key line") {
    std::vector<std::uint8_t> file;
    pcapng::append_section_header(file);
    pcapng::append_interface(file, "h1--h2");
    std::string expected;
    for (std::uint32_t sequence = 1; sequence <= 4; ++sequence) {
        const auto frame =
            frame_around(sim::esp_seal(example_key(), spi, sequence, inner_packet(100 + sequence)));
        pcapng::append_packet(file, {.time = {sequence}, .frame = frame});
        expected += "192.0.2.1,10.244.1.2|0xc0000001|" + std::to_string(sequence) + "|1|0x04|" +
                    std::to_string(108 + sequence) + "|1|1,1\n";
    }
    const TempFile capture(file);
    const std::string keys =
        "-o esp.enable_encryption_decode:TRUE "
        "-o esp.enable_authentication_check:TRUE "
        "-o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -o 'uat:esp_sa:" +
        sim::wireshark_esp_sa({0xc0000201}, {0xc0000202}, spi, example_key()) + "' ";

    CHECK(tshark(capture.path(),
                 keys + "-T fields -E separator='|' -e ip.src -e esp.spi -e esp.sequence "
                        "-e esp.icv_good -e esp.protocol -e udp.length -e udp.checksum.status "
                        "-e ip.checksum.status") == expected);
    CHECK(tshark(capture.path(), keys + "-Y '_ws.malformed || _ws.expert'").empty());
}
