// libFuzzer target: no octets crash a decoder, and what a decoder accepts encodes to the same
// header again.
//   clang++-19 -std=c++23 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/wire_decoders.cc ...
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/base/check.h"
#include "models/net/address.h"
#include "models/net/checksum.h"
#include "models/net/wire.h"
#include "sim/esp_cipher.h"

namespace {

using namespace overlab;
using Input = std::span<const std::uint8_t>;

/// Decoding forgets only what receivers must ignore, so a second round gives an equal header.
template <typename Header>
void survives_a_round_trip(const Header& header) {
    std::vector<std::uint8_t> octets(Header::bytes + 40);  // room for the longest options
    header.encode(octets);
    const auto again = Header::decode(octets);
    CHECK(again.has_value());
    CHECK(*again == header);
}

template <typename Header>
void decode(Input input) {
    if (const auto header = Header::decode(input)) survives_a_round_trip(*header);
}

void decode_ipv4(Input input) {
    auto header = Ipv4Header::decode(input);
    if (!header) return;
    CHECK(header->header_bytes >= Ipv4Header::bytes);
    CHECK(header->header_bytes <= input.size());
    CHECK(header->total_length >= header->header_bytes);
    header->header_bytes = Ipv4Header::bytes;  // encode() writes no options
    survives_a_round_trip(*header);
}

template <typename Value>
void parse(std::string_view text) {
    if (const auto value = Value::parse(text)) {
        const auto again = Value::parse(value->to_string());
        CHECK(again.has_value());
        CHECK(*again == *value);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Input input(data, size);
    decode<EthernetHeader>(input);
    decode<ArpPacket>(input);
    decode_ipv4(input);
    decode<UdpHeader>(input);
    decode<TcpHeader>(input);
    decode<Icmpv4Header>(input);
    decode<VxlanHeader>(input);
    decode<EspHeader>(input);
    decode<IkeHeader>(input);
    (void)internet_checksum(input);
    (void)sim::esp_open(sim::EspKey{}, input);  // nearly always an error; it must not read too far

    const std::string_view text(reinterpret_cast<const char*>(data), size);
    parse<Ipv4Address>(text);
    parse<Ipv6Address>(text);
    parse<MacAddress>(text);
    parse<Ipv4Prefix>(text);
    parse<Ipv6Prefix>(text);
    return 0;
}
