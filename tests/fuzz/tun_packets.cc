// libFuzzer target: whatever packets reach a tunnel's coalescer from the network, each comes out
// again exactly once, unchanged, and no octet outside of them is touched.
//   clang++-19 -std=c++23 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/tun_packets.cc ...
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/checksum.h"
#include "tests/unit/tun_packets.h"

namespace {

using namespace overlab;
using namespace overlab::test;

/// Cuts the input into packets: two octets of length, then that many, or what is left.
std::vector<Bytes> packets_in(std::span<const std::uint8_t> input) {
    std::vector<Bytes> packets;
    while (input.size() > 2) {
        const std::size_t wanted = input[0] + std::size_t{input[1]} * 256;
        input = input.subspan(2);
        const auto packet = input.first(std::clamp<std::size_t>(wanted, 1, input.size()));
        packets.emplace_back(packet.begin(), packet.end());
        input = input.subspan(packet.size());
    }
    return packets;
}

/// Checksums that are right let the fuzzer reach what lies behind them.
void mend(Bytes& packet) {
    const bool tcp = packet.size() > 40 && packet[9] == ip_protocol::tcp;
    if (!tcp || packet[0] != 0x45) return;
    store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
    write_ipv4_header_checksum(packet.data());
    store_be16(&packet[36], 0);
    store_be16(&packet[36], transport_checksum({load_be32(&packet[12])}, {load_be32(&packet[16])},
                                               ip_protocol::tcp, std::span(packet).subspan(20)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<Bytes> packets = packets_in({data, size});
    if (size % 4 != 0) std::ranges::for_each(packets, mend);
    std::vector<Bytes> out = split_again(CoalescerRun::of(packets));
    std::ranges::sort(out);
    std::ranges::sort(packets);
    CHECK(out == packets);
    return 0;
}
