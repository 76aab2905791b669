// Which packets the coalescer merges, rule by rule.
#include <functional>
#include <string>
#include <vector>

#include "models/net/bytes.h"
#include "tests/unit/tun_packets.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

constexpr std::size_t mss = 1000;

/// The flow's packet number `index`, of `mss` bytes.
PacketSpec nth(std::size_t index) {
    PacketSpec spec;
    spec.ip.id = static_cast<std::uint16_t>(0xfffe + index);
    spec.tcp.sequence = static_cast<std::uint32_t>(0xffff'fc00 + index * mss);
    spec.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};  // timestamps
    spec.payload = pattern(mss, static_cast<std::uint32_t>(index));
    return spec;
}

std::vector<Bytes> packets_of(const std::vector<PacketSpec>& specs) {
    std::vector<Bytes> packets;
    packets.reserve(specs.size());
    for (const PacketSpec& spec : specs) packets.push_back(tcp_packet(spec));
    return packets;
}

/// How many packets each delivery stands for.
std::vector<std::size_t> sizes(const std::vector<Delivered>& delivered) {
    std::vector<std::size_t> counts;
    for (const Delivered& one : delivered) counts.push_back(one.merged() ? one.pieces : 1);
    return counts;
}

using Sizes = std::vector<std::size_t>;

}  // namespace

TEST_CASE("Coalescer.ConsecutivePacketsBecomeOneSuperPacket") {
    const auto packets = packets_of({nth(0), nth(1), nth(2), nth(3)});

    const auto delivered = CoalescerRun::of(packets);

    REQUIRE(sizes(delivered) == Sizes{4});
    CHECK(delivered[0].vnet == VnetHeader{.flags = vnet::needs_checksum,
                                          .gso_type = vnet::gso_tcpv4,
                                          .header_bytes = 52,
                                          .gso_size = mss,
                                          .checksum_start = 20,
                                          .checksum_offset = 16});
    CHECK(Ipv4Header::decode(delivered[0].packet)->total_length == 52 + 4 * mss);
    CHECK(split_again(delivered) == packets);
}

TEST_CASE("Coalescer.ASinglePacketIsSaidToHaveARightChecksum") {
    const auto packets = packets_of({nth(0)});

    const auto delivered = CoalescerRun::of(packets);

    REQUIRE(delivered.size() == 1);
    CHECK(delivered[0].vnet == VnetHeader{.flags = vnet::data_valid});
    CHECK(delivered[0].packet == packets[0]);
}

TEST_CASE("Coalescer.TheSecondPacketStaysApart") {
    struct Case {
        std::string what;
        std::function<void(PacketSpec&)> change;
    };
    const Case cases[] = {
        {"another source", [](PacketSpec& p) { ++p.ip.source.bits; }},
        {"another destination", [](PacketSpec& p) { ++p.ip.destination.bits; }},
        {"another source port", [](PacketSpec& p) { ++p.tcp.source_port; }},
        {"another destination port", [](PacketSpec& p) { ++p.tcp.destination_port; }},
        {"a gap in sequence", [](PacketSpec& p) { ++p.tcp.sequence; }},
        {"an overlap", [](PacketSpec& p) { --p.tcp.sequence; }},
        {"another ACK number", [](PacketSpec& p) { ++p.tcp.acknowledgement; }},
        {"another window", [](PacketSpec& p) { ++p.tcp.window; }},
        {"an urgent pointer", [](PacketSpec& p) { ++p.tcp.urgent_pointer; }},
        {"a gap in ids", [](PacketSpec& p) { ++p.ip.id; }},
        {"a constant id", [](PacketSpec& p) { --p.ip.id; }},
        {"another DSCP", [](PacketSpec& p) { p.ip.dscp_ecn = 0x20; }},
        {"a CE mark", [](PacketSpec& p) { p.ip.dscp_ecn = 3; }},
        {"another TTL", [](PacketSpec& p) { --p.ip.ttl; }},
        {"no DF", [](PacketSpec& p) { p.ip.dont_fragment = false; }},
        {"another timestamp", [](PacketSpec& p) { ++p.options[7]; }},
        {"fewer options", [](PacketSpec& p) { p.options.clear(); }},
        {"a longer payload", [](PacketSpec& p) { p.payload.push_back(0); }},
        {"no payload", [](PacketSpec& p) { p.payload.clear(); }},
        {"ECE", [](PacketSpec& p) { p.tcp.flags |= TcpHeader::ece; }},
        {"CWR", [](PacketSpec& p) { p.tcp.flags |= TcpHeader::cwr; }},
        {"SYN", [](PacketSpec& p) { p.tcp.flags |= TcpHeader::syn; }},
        {"RST", [](PacketSpec& p) { p.tcp.flags |= TcpHeader::rst; }},
        {"URG", [](PacketSpec& p) { p.tcp.flags |= TcpHeader::urg; }},
        {"no ACK flag", [](PacketSpec& p) { p.tcp.flags = 0; }},
    };
    for (const Case& each : cases) {
        INFO(each.what);
        PacketSpec second = nth(1);
        each.change(second);
        const auto packets = packets_of({nth(0), second});

        const auto delivered = CoalescerRun::of(packets);

        CHECK(sizes(delivered) == Sizes{1, 1});
        CHECK(split_again(delivered) == packets);
    }
}

TEST_CASE("Coalescer.APacketWithAWrongChecksumReachesTheReceiverAsItIs") {
    for (const std::size_t at : {std::size_t{10}, std::size_t{36}, std::size_t{500}}) {
        auto packets = packets_of({nth(0), nth(1), nth(2)});
        packets[1][at] ^= 0x10;

        const auto delivered = CoalescerRun::of(packets);

        CHECK(sizes(delivered) == Sizes{1, 1, 1});
        CHECK(delivered[1].vnet == VnetHeader{});
        CHECK(split_again(delivered) == packets);
    }
}

TEST_CASE("Coalescer.PshFinAndAShortPayloadEndASuperPacket") {
    const auto ends = [](const std::function<void(PacketSpec&)>& change) {
        std::vector<PacketSpec> specs = {nth(0), nth(1), nth(2), nth(3)};
        change(specs[1]);
        const auto packets = packets_of(specs);
        const auto delivered = CoalescerRun::of(packets);
        CHECK(split_again(delivered) == packets);
        return sizes(delivered);
    };
    CHECK(ends([](PacketSpec& p) { p.tcp.flags |= TcpHeader::psh; }) == Sizes{2, 2});
    CHECK(ends([](PacketSpec& p) { p.tcp.flags |= TcpHeader::fin; }) == Sizes{2, 2});
    CHECK(ends([](PacketSpec& p) { p.payload.pop_back(); }) == Sizes{2, 2});
}

TEST_CASE("Coalescer.CwrMayBeOnTheFirstPacketOnly") {
    std::vector<PacketSpec> specs = {nth(0), nth(1), nth(2)};
    specs[1].tcp.flags |= TcpHeader::cwr;
    const auto packets = packets_of(specs);

    const auto delivered = CoalescerRun::of(packets);

    REQUIRE(sizes(delivered) == Sizes{1, 2});
    CHECK(delivered[1].vnet.gso_type == (vnet::gso_tcpv4 | vnet::gso_ecn));
    CHECK(split_again(delivered) == packets);
}

TEST_CASE("Coalescer.ASuperPacketFitsAnIpv4Packet") {
    std::vector<PacketSpec> specs;
    for (std::size_t i = 0; i < 200; ++i) specs.push_back(nth(i));
    const auto packets = packets_of(specs);

    const auto delivered = CoalescerRun::of(packets);

    CHECK(sizes(delivered) == Sizes{64, 64, 64, 8});
    CHECK(split_again(delivered) == packets);

    for (PacketSpec& spec : specs) spec.payload = pattern(1420);
    for (std::size_t i = 0; i < specs.size(); ++i) {
        specs[i].tcp.sequence = static_cast<std::uint32_t>(i * 1420);
    }
    CHECK(sizes(CoalescerRun::of(packets_of(specs))) == Sizes{46, 46, 46, 46, 16});
}

TEST_CASE("Coalescer.FlowsThatTakeTurnsAreMergedEach") {
    std::vector<PacketSpec> specs;
    for (std::size_t i = 0; i < 5; ++i) {
        for (std::uint16_t flow = 0; flow < Coalescer::max_flows; ++flow) {
            specs.push_back(nth(i));
            specs.back().tcp.source_port = flow;
        }
    }
    CHECK(sizes(CoalescerRun::of(packets_of(specs))) == Sizes(Coalescer::max_flows, 5));
}

TEST_CASE("Coalescer.OneFlowMoreClosesTheOldest") {
    std::vector<PacketSpec> specs = {nth(0), nth(1)};
    for (std::uint16_t flow = 1; flow <= Coalescer::max_flows; ++flow) {
        specs.push_back(nth(0));
        specs.back().tcp.source_port = flow;
    }

    const auto delivered = CoalescerRun::of(packets_of(specs));

    CHECK(sizes(delivered) == Sizes{2, 1, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("Coalescer.NothingOvertakesAPacketOfItsOwnFlow") {
    PacketSpec ack = nth(1);
    ack.payload.clear();
    PacketSpec fragment = nth(1);
    fragment.ip.more_fragments = true;
    PacketSpec other_flow = nth(1);
    ++other_flow.tcp.source_port;
    other_flow.payload.clear();
    const auto open = tcp_packet(nth(0));

    for (const PacketSpec& next : {ack, fragment}) {
        const std::vector<Bytes> packets = {open, tcp_packet(next)};
        CHECK(split_again(CoalescerRun::of(packets)) == packets);
    }
    // What is of no open flow need not wait.
    for (const Bytes& next : {tcp_packet(other_flow), udp_packet(nth(1))}) {
        const std::vector<Bytes> turned = {next, open};
        CHECK(split_again(CoalescerRun::of({open, next})) == turned);
    }
}
