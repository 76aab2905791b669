// Whole IPv4 packets for tests of the tunnel, made with models/net and not with the tunnel's own
// code; and what becomes of packets that go through a Coalescer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "models/net/bytes.h"
#include "models/net/checksum.h"
#include "models/net/wire.h"
#include "real/tun/coalescer.h"
#include "real/tun/segmenter.h"

namespace overlab::test {

using Bytes = std::vector<std::uint8_t>;

/// Bytes that differ from their neighbours and with `seed`.
inline Bytes pattern(std::size_t bytes, std::uint32_t seed = 1) {
    Bytes data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        seed = seed * 1664525 + 1013904223;
        data[i] = static_cast<std::uint8_t>(seed >> 24);
    }
    return data;
}

struct PacketSpec {
    Ipv4Header ip{.dont_fragment = true,
                  .ttl = 63,
                  .protocol = ip_protocol::tcp,
                  .source = {0x0af40102},
                  .destination = {0x0af40202}};
    TcpHeader tcp{.source_port = 40000,
                  .destination_port = 5001,
                  .sequence = 1000,
                  .acknowledgement = 7,
                  .flags = TcpHeader::ack,
                  .window = 500};
    Bytes options;  ///< of TCP; a multiple of 4
    Bytes payload;
};

/// Room for headers, then TCP options and payload.
inline Bytes room_for(const PacketSpec& spec, std::size_t header_bytes) {
    Bytes packet(header_bytes + spec.options.size() + spec.payload.size());
    const auto options = packet.begin() + static_cast<long>(header_bytes);
    std::ranges::copy(spec.payload, std::ranges::copy(spec.options, options).out);
    return packet;
}

/// With right lengths and checksums.
inline Bytes tcp_packet(PacketSpec spec) {
    const std::size_t tcp_bytes = TcpHeader::bytes + spec.options.size();
    Bytes packet = room_for(spec, Ipv4Header::bytes + TcpHeader::bytes);
    spec.ip.total_length = static_cast<std::uint16_t>(packet.size());
    spec.ip.encode(packet);
    spec.tcp.header_bytes = static_cast<std::uint8_t>(tcp_bytes);
    spec.tcp.checksum = 0;
    const std::span<std::uint8_t> segment = std::span(packet).subspan(Ipv4Header::bytes);
    spec.tcp.encode(segment);
    const std::uint16_t checksum =
        transport_checksum(spec.ip.source, spec.ip.destination, ip_protocol::tcp, segment);
    store_be16(segment.data() + 16, checksum);
    return packet;
}

inline Bytes udp_packet(PacketSpec spec) {
    spec.ip.protocol = ip_protocol::udp;
    spec.options.clear();
    Bytes packet = room_for(spec, Ipv4Header::bytes + UdpHeader::bytes);
    spec.ip.total_length = static_cast<std::uint16_t>(packet.size());
    spec.ip.encode(packet);
    const std::span<std::uint8_t> datagram = std::span(packet).subspan(Ipv4Header::bytes);
    UdpHeader{.source_port = spec.tcp.source_port,
              .destination_port = spec.tcp.destination_port,
              .length = static_cast<std::uint16_t>(datagram.size())}
        .encode(datagram);
    const std::uint16_t checksum = udp_checksum(spec.ip.source, spec.ip.destination, datagram);
    store_be16(datagram.data() + 6, checksum);
    return packet;
}

/// What a super-packet stands for, by the segmenter.
inline std::vector<Bytes> split(const real::VnetHeader& vnet, Bytes packet) {
    const auto plan = real::plan_split(vnet, packet);
    if (!plan) throw std::runtime_error("not a super-packet");
    packet.resize(plan->all_bytes());
    real::split_in_place(*plan, packet);
    std::vector<Bytes> packets;
    for (auto at = packet.begin(); at != packet.end();
         at += static_cast<long>(packets.back().size())) {
        const auto left = static_cast<std::size_t>(packet.end() - at);
        const auto bytes = static_cast<long>(std::min(plan->packet_bytes(), left));
        packets.emplace_back(at, at + bytes);
    }
    return packets;
}

/// What a Coalescer delivered.
struct Delivered {
    real::VnetHeader vnet;
    Bytes packet;
    std::size_t pieces = 0;

    [[nodiscard]] bool merged() const { return vnet.gso_type != real::vnet::gso_none; }
};

class CoalescerRun final : private real::Coalescer::Sink {
   public:
    /// The packets together, as one batch from the socket.
    static std::vector<Delivered> of(std::vector<Bytes> packets) {
        CoalescerRun run;
        real::Coalescer coalescer(run);
        for (Bytes& packet : packets) coalescer.add(packet);
        coalescer.flush();
        return std::move(run.delivered_);
    }

   private:
    void deliver(const real::VnetHeader& vnet, std::span<const iovec> pieces) override {
        Delivered one{.vnet = vnet, .packet = {}, .pieces = pieces.size()};
        for (const iovec& piece : pieces) {
            const auto* bytes = static_cast<const std::uint8_t*>(piece.iov_base);
            one.packet.insert(one.packet.end(), bytes, bytes + piece.iov_len);
        }
        delivered_.push_back(std::move(one));
    }

    std::vector<Delivered> delivered_;
};

/// What the kernel would make of it: merged packets split again.
inline std::vector<Bytes> split_again(const std::vector<Delivered>& delivered) {
    std::vector<Bytes> packets;
    for (const Delivered& one : delivered) {
        if (!one.merged()) {
            packets.push_back(one.packet);
            continue;
        }
        for (Bytes& packet : split(one.vnet, one.packet)) packets.push_back(std::move(packet));
    }
    return packets;
}

}  // namespace overlab::test
