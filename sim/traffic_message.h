// The first bytes of every datagram that traffic sends: a number and the time it was sent, as iperf
// and sockperf write them. Big-endian; the rest of the payload is zeros.
#pragma once

#include <ns3/packet.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "models/net/bytes.h"
#include "sim/raw_header.h"

namespace overlab::sim {

struct TrafficMessage {
    static constexpr std::uint32_t bytes = 16;  ///< shorter datagrams are filled up to this
    std::uint64_t number = 0;
    std::int64_t sent_ns = 0;

    /// A payload of `size` bytes, at least 16.
    [[nodiscard]] ns3::Ptr<ns3::Packet> packet(std::uint32_t size) const {
        std::array<std::uint8_t, bytes> head;
        store_be64(head.data(), number);
        store_be64(head.data() + 8, static_cast<std::uint64_t>(sent_ns));
        const auto packet = ns3::Create<ns3::Packet>(std::max(size, bytes) - bytes);
        packet->AddHeader(RawHeader(head));
        return packet;
    }
    /// `packet` has at least 16 bytes.
    [[nodiscard]] static TrafficMessage read(const ns3::Packet& packet) {
        std::array<std::uint8_t, bytes> head{};
        packet.CopyData(head.data(), bytes);
        return {load_be64(head.data()), static_cast<std::int64_t>(load_be64(head.data() + 8))};
    }
};

}  // namespace overlab::sim
