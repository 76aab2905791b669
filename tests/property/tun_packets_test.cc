// Nothing is lost, changed or reordered on the way through segmenter and coalescer.
#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "models/base/rng.h"
#include "models/net/bytes.h"
#include "tests/unit/tun_packets.h"

#include "tests/support/property.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

Rng any_rng(std::string_view name) {
    return Rng::stream(*rc::gen::arbitrary<std::uint64_t>(), name);
}

template <typename T>
T draw(Rng& rng) {
    return static_cast<T>(rng.next());
}

PacketSpec any_spec(Rng& rng, std::size_t payload_bytes) {
    PacketSpec spec;
    spec.ip.dscp_ecn = draw<std::uint8_t>(rng);
    spec.ip.id = draw<std::uint16_t>(rng);
    spec.ip.dont_fragment = rng.chance(1, 2);
    spec.ip.ttl = static_cast<std::uint8_t>(1 + rng.below(255));
    spec.ip.source = {draw<std::uint32_t>(rng)};
    spec.ip.destination = {draw<std::uint32_t>(rng)};
    spec.tcp.source_port = draw<std::uint16_t>(rng);
    spec.tcp.destination_port = draw<std::uint16_t>(rng);
    spec.tcp.sequence = draw<std::uint32_t>(rng);
    spec.tcp.acknowledgement = draw<std::uint32_t>(rng);
    spec.tcp.flags = draw<std::uint8_t>(rng);
    spec.tcp.window = draw<std::uint16_t>(rng);
    spec.options = pattern(4 * rng.below(11), draw<std::uint32_t>(rng));
    spec.payload = pattern(payload_bytes, draw<std::uint32_t>(rng));
    return spec;
}

std::vector<Bytes> expected_tcp(const PacketSpec& super, std::size_t chunk) {
    std::vector<Bytes> packets;
    for (std::size_t at = 0; at < super.payload.size(); at += chunk) {
        const std::size_t end = std::min(at + chunk, super.payload.size());
        PacketSpec one = super;
        one.payload.assign(super.payload.begin() + static_cast<long>(at),
                           super.payload.begin() + static_cast<long>(end));
        one.ip.id = static_cast<std::uint16_t>(super.ip.id + packets.size());
        one.tcp.sequence = super.tcp.sequence + static_cast<std::uint32_t>(at);
        unsigned cleared = 0;
        if (at > 0) cleared |= TcpHeader::cwr;
        if (end < super.payload.size()) cleared |= TcpHeader::fin | TcpHeader::psh;
        one.tcp.flags = static_cast<std::uint8_t>(one.tcp.flags & ~cleared);
        packets.push_back(tcp_packet(one));
    }
    return packets;
}

/// Which packets must keep their order among each other: a TCP flow's. Empty: all packets', as far
/// as the coalescer can tell (a fragment has no ports).
using FlowKey = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
std::optional<FlowKey> flow_of(const Bytes& packet) {
    const auto ip = Ipv4Header::decode(packet);
    if (packet[9] != ip_protocol::tcp) return FlowKey{0, 0, packet[9]};
    const bool plain = packet[0] == 0x45 && load_be16(&packet[2]) == packet.size() &&
                       (load_be16(&packet[6]) & 0x3fff) == 0 && packet.size() >= 40;
    if (!plain) return std::nullopt;
    return FlowKey{load_be32(&packet[12]), load_be32(&packet[16]), load_be32(&packet[20])};
}

/// Each flow's packets, in order, with those of unknown flow in between.
std::map<FlowKey, std::vector<Bytes>> by_flow(const std::vector<Bytes>& packets) {
    std::map<FlowKey, std::vector<Bytes>> flows;
    for (const Bytes& packet : packets) {
        if (const auto key = flow_of(packet)) flows[*key];
    }
    for (const Bytes& packet : packets) {
        const auto key = flow_of(packet);
        for (auto& [flow, list] : flows) {
            const bool other_protocol = std::get<0>(flow) == 0 && std::get<1>(flow) == 0;
            if (key == flow || (!key && !other_protocol)) list.push_back(packet);
        }
    }
    return flows;
}

/// As text, whose comparison g++ 12 does not warn about.
std::vector<std::string> sorted(const std::vector<Bytes>& packets) {
    std::vector<std::string> list;
    for (const Bytes& packet : packets) list.emplace_back(packet.begin(), packet.end());
    std::ranges::sort(list);
    return list;
}

/// Flows that send well-behaved segments most of the time.
class Senders {
   public:
    explicit Senders(Rng& rng) : rng_(rng) {
        for (std::size_t i = 0; i < flows_.size(); ++i) {
            flows_[i].ip.id = draw<std::uint16_t>(rng);
            flows_[i].tcp.sequence = draw<std::uint32_t>(rng);
            flows_[i].tcp.source_port = static_cast<std::uint16_t>(i);
            flows_[i].options = pattern(4 * rng.below(4), static_cast<std::uint32_t>(i));
        }
    }

    Bytes next() {
        // Mostly the same flow again, as a GRO'd batch is.
        if (rng_.chance(1, 4)) current_ = rng_.below(flows_.size());
        PacketSpec& flow = flows_[current_];
        PacketSpec spec = flow;
        spec.payload =
            pattern(rng_.chance(1, 12) ? rng_.below(300) : 200, draw<std::uint32_t>(rng_));
        if (rng_.chance(1, 5)) disturb(flow, spec);
        Bytes packet = rng_.chance(1, 40) ? udp_packet(spec) : tcp_packet(spec);
        flow.tcp.sequence = spec.tcp.sequence + static_cast<std::uint32_t>(spec.payload.size());
        flow.ip.id = static_cast<std::uint16_t>(spec.ip.id + 1);
        if (rng_.chance(1, 40))
            packet[rng_.below(packet.size() - 1) + 1] ^= draw<std::uint8_t>(rng_);
        if (rng_.chance(1, 100)) packet.push_back(0);
        return packet;
    }

   private:
    /// Some changes stay with the flow, some are for this packet.
    void disturb(PacketSpec& flow, PacketSpec& spec) {
        switch (rng_.below(14)) {
            case 0:
                flow.tcp.acknowledgement = spec.tcp.acknowledgement += 100;
                break;
            case 1:
                flow.tcp.window = ++spec.tcp.window;
                break;
            case 2:
                flow.ip.ttl = --spec.ip.ttl;
                break;
            case 3:
                spec.ip.dscp_ecn ^= 3;
                break;
            case 4:
                spec.tcp.sequence -= 200;
                break;
            case 5:
                spec.tcp.sequence += 200;
                break;
            case 6:
                spec.ip.id = draw<std::uint16_t>(rng_);
                break;
            case 7:
                spec.ip.dont_fragment = false;
                break;
            case 8:
                spec.ip.more_fragments = true;
                break;
            case 9:
                spec.ip.fragment_offset = 800;
                break;
            case 10:
                spec.options = pattern(4 * rng_.below(4), 9);
                break;
            case 11:
                spec.payload.clear();
                break;
            case 12:
                spec.tcp.flags = draw<std::uint8_t>(rng_);
                break;
            default:
                spec.tcp.flags |= static_cast<std::uint8_t>(1U << rng_.below(8));
                break;
        }
        if (spec.ip.ttl == 0) flow.ip.ttl = spec.ip.ttl = 64;
    }

    Rng& rng_;
    std::array<PacketSpec, 11> flows_;  // More than the coalescer keeps open.
    std::size_t current_ = 0;
};

}  // namespace

TEST_CASE("Segmenter.SendsWhatTcpWouldHaveSentSingly") {
    holds([] {
        Rng rng = any_rng("split");
        const std::size_t payload = 1 + rng.below(rng.chance(1, 4) ? 60'000 : 4000);
        const auto chunk = static_cast<std::uint16_t>(1 + rng.below(payload > 4000 ? 9000 : 1500));
        PacketSpec spec = any_spec(rng, payload);
        RC_PRE(payload / chunk < 2000);
        const VnetHeader vnet{.gso_type = vnet::gso_tcpv4, .gso_size = chunk};
        RC_ASSERT(split(vnet, tcp_packet(spec)) == expected_tcp(spec, chunk));
    });
}

TEST_CASE("Segmenter.ThenCoalescerIsTheSamePacketAgain") {
    holds([] {
        Rng rng = any_rng("there and back");
        const std::size_t chunk = 1000 + rng.below(400);
        PacketSpec spec = any_spec(rng, chunk + 1 + rng.below(40 * chunk));
        spec.tcp.flags &=
            TcpHeader::ack | TcpHeader::psh | TcpHeader::fin | TcpHeader::ece | TcpHeader::cwr;
        const VnetHeader vnet{.gso_type = vnet::gso_tcpv4,
                              .gso_size = static_cast<std::uint16_t>(chunk)};
        const Bytes super = tcp_packet(spec);

        const auto delivered = CoalescerRun::of(split(vnet, super));

        RC_ASSERT(delivered.size() == 1U);
        RC_ASSERT(delivered[0].vnet.gso_size == chunk);
        Bytes got = delivered[0].packet;
        RC_ASSERT(complete_checksum(delivered[0].vnet, got));
        RC_ASSERT(got == super);
    });
}

TEST_CASE("Coalescer.EveryPacketComesOutUnchangedAndInTheOrderOfItsFlow") {
    std::size_t merged = 0;
    holds(
        [&] {
            Rng rng = any_rng("senders");
            Senders senders(rng);
            std::vector<Bytes> packets;
            for (std::size_t n = 1 + rng.below(120); n > 0; --n) packets.push_back(senders.next());

            const auto delivered = CoalescerRun::of(packets);

            for (const Delivered& one : delivered) merged += one.merged() ? 1 : 0;
            const auto out = split_again(delivered);
            RC_ASSERT(out.size() == packets.size());
            RC_ASSERT(by_flow(out) == by_flow(packets));
        },
        1000);
    CHECK(merged > 1000);  // Else the test would say little.
}

TEST_CASE("Coalescer.ArbitraryBytesComeOutAsTheyWentIn") {
    holds([] {
        Rng rng = any_rng("noise");
        std::vector<Bytes> packets;
        for (std::size_t n = 1 + rng.below(20); n > 0; --n) {
            Bytes packet = pattern(1 + rng.below(100), draw<std::uint32_t>(rng));
            if (rng.chance(3, 4)) packet[0] = 0x45;
            if (packet.size() > 20 && rng.chance(3, 4)) {
                packet[9] = ip_protocol::tcp;
                store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
            }
            packets.push_back(packet);
        }
        RC_ASSERT(sorted(split_again(CoalescerRun::of(packets))) == sorted(packets));
    });
}

TEST_CASE("Segmenter.ArbitraryBytesAreRefusedOrSplitWithinTheRoom") {
    holds([] {
        Rng rng = any_rng("noise");
        Bytes packet = pattern(20 + rng.below(400), draw<std::uint32_t>(rng));
        packet[0] = static_cast<std::uint8_t>(0x45 + rng.below(3));
        packet[9] = rng.chance(1, 2) ? ip_protocol::tcp : ip_protocol::udp;
        if (rng.chance(3, 4)) packet[6] = packet[7] = 0;
        store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
        const VnetHeader vnet{
            .gso_type = packet[9] == ip_protocol::tcp ? vnet::gso_tcpv4 : vnet::gso_udp_l4,
            .gso_size = static_cast<std::uint16_t>(rng.below(200)),
            .checksum_start = static_cast<std::uint16_t>(rng.below(500)),
            .checksum_offset = static_cast<std::uint16_t>(rng.below(500))};
        (void)complete_checksum(vnet, packet);
        if (const auto plan = plan_split(vnet, packet)) {
            std::size_t bytes = 0;
            for (const Bytes& one : split(vnet, packet)) bytes += one.size();
            RC_ASSERT(bytes == plan->all_bytes());
        }
    });
}
