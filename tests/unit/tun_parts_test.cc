// The tunnel's smaller parts: sums, batches of datagrams, peers, ICMP.
#include <atomic>
#include <thread>
#include <vector>

#include "models/net/bytes.h"
#include "models/net/checksum.h"
#include "real/tun/datagram_batch.h"
#include "real/tun/native_sum.h"
#include "real/tun/net_unreachable.h"
#include "real/tun/peer_table.h"
#include "tests/unit/tun_packets.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

constexpr Endpoint first_peer{{0xc0000202}, 8285}, second_peer{{0xc0000203}, 8285};

Ipv4Prefix prefix(const char* text) { return *Ipv4Prefix::parse(text); }
Ipv4Address address(const char* text) { return *Ipv4Address::parse(text); }

/// `2x100+1x40` for each run.
std::vector<std::string> text_of(std::span<const DatagramBatch::Run> runs) {
    std::vector<std::string> lines;
    for (const auto& run : runs) {
        lines.push_back(std::to_string(run.datagrams) + "x" + std::to_string(run.datagram_bytes) +
                        "=" + std::to_string(run.bytes));
    }
    return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("NativeSum.IsTheInternetChecksumAtEveryLengthAndAlignment") {
    const Bytes data = pattern(300);
    for (std::size_t at = 0; at < 40; ++at) {
        for (std::size_t bytes = 0; at + bytes <= data.size(); ++bytes) {
            const auto sum = detail::fold_sum(native_sum(data.data() + at, bytes));
            REQUIRE(detail::big_endian(sum) ==
                    ones_complement_sum(std::span(data).subspan(at, bytes)));
        }
    }
}

TEST_CASE("DatagramBatch.OneRunADestinationAndLength") {
    DatagramBatch batch(10000);
    for (const std::size_t bytes : {100, 100, 40, 40, 100, 200}) batch.commit(first_peer, bytes);
    batch.commit(second_peer, 200);

    // A shorter datagram ends a run; a longer one starts another.
    CHECK(text_of(batch.runs()) ==
          Lines{"3x100=240", "1x40=40", "1x100=100", "1x200=200", "1x200=200"});
    CHECK(batch.runs()[4].to == second_peer);
    CHECK(batch.runs()[4].offset == 580);
}

TEST_CASE("DatagramBatch.ARunIsWhatUdpGsoTakes") {
    DatagramBatch batch(200'000);
    for (int i = 0; i < 46; ++i) batch.commit(first_peer, 1472);
    for (int i = 0; i < 130; ++i) batch.commit(second_peer, 10);

    CHECK(text_of(batch.runs()) ==
          Lines{"44x1472=64768", "2x1472=2944", "64x10=640", "64x10=640", "2x10=20"});
}

TEST_CASE("DatagramBatch.WhatMayStillGrowCanBeKept") {
    DatagramBatch batch(200'000);
    for (int i = 0; i < 46; ++i) {
        batch.room()[0] = static_cast<std::uint8_t>(i);
        batch.commit(first_peer, 1472);
    }

    REQUIRE(text_of(batch.finished_runs()) == Lines{"44x1472=64768"});
    batch.remove(1);
    batch.commit(first_peer, 1472);

    REQUIRE(text_of(batch.runs()) == Lines{"3x1472=4416"});
    CHECK(batch.finished_runs().empty());
    CHECK(batch.payload(batch.runs()[0])[0] == 44);
    batch.remove(1);
    CHECK(batch.empty());
    CHECK(batch.bytes() == 0);
}

TEST_CASE("PeerTable.LongestPrefixWins") {
    PeerTable table;
    PeerTable::Reader reader(table);
    CHECK_FALSE(reader.find(address("10.244.2.9")));

    table.put(prefix("10.244.0.0/16"), first_peer);
    table.put(prefix("10.244.2.0/24"), second_peer);

    CHECK(reader.find(address("10.244.2.9")) == second_peer);
    CHECK(reader.find(address("10.244.3.9")) == first_peer);
    CHECK_FALSE(reader.find(address("10.245.0.1")));
}

TEST_CASE("PeerTable.ReadersSeeAChangeWithTheirNextQuestion") {
    PeerTable table;
    PeerTable::Reader reader(table);
    const Ipv4Address pod = address("10.244.2.9");
    table.put(prefix("10.244.2.0/24"), first_peer);
    CHECK(reader.find(pod) == first_peer);
    CHECK(reader.knows(first_peer));

    table.put(prefix("10.244.2.0/24"), second_peer);
    CHECK(reader.find(pod) == second_peer);
    CHECK_FALSE(reader.knows(first_peer));
    CHECK(reader.knows(second_peer));

    table.erase(prefix("10.244.2.0/24"));
    CHECK_FALSE(reader.find(pod));
    CHECK_FALSE(reader.knows(second_peer));
    table.erase(prefix("10.244.2.0/24"));
    CHECK(table.all().empty());
}

TEST_CASE("PeerTable.APeerWithTwoSubnetsIsKnownUntilBothAreGone") {
    PeerTable table;
    PeerTable::Reader reader(table);
    table.put(prefix("10.244.2.0/24"), first_peer);
    table.put(prefix("10.244.3.0/24"), first_peer);

    table.erase(prefix("10.244.2.0/24"));
    CHECK(reader.knows(first_peer));
    CHECK_FALSE(reader.knows({first_peer.address, 9}));
    table.erase(prefix("10.244.3.0/24"));
    CHECK_FALSE(reader.knows(first_peer));
}

TEST_CASE("PeerTable.IsReadWhileItChanges") {
    PeerTable table;
    const Ipv4Prefix subnet = prefix("10.244.2.0/24");
    table.put(subnet, first_peer);
    std::atomic<bool> done = false;
    std::atomic<std::uint64_t> wrong = 0, answers = 0;
    std::thread reading([&] {
        PeerTable::Reader reader(table);
        while (!done) {
            const auto to = reader.find(address("10.244.2.9"));
            if (to != first_peer && to != second_peer) ++wrong;
            ++answers;
        }
    });

    for (int i = 0; i < 2000 || answers < 2000; ++i) {
        table.put(subnet, i % 2 == 0 ? second_peer : first_peer);
        table.put(Ipv4Prefix::of({0x0a000000 + (static_cast<std::uint32_t>(i % 5000) << 8)}, 24),
                  first_peer);
    }
    done = true;
    reading.join();

    CHECK(wrong == 0);
}

TEST_CASE("NetUnreachable.QuotesThePacketToItsSender") {
    PacketSpec spec;
    spec.payload = pattern(2000);
    const Bytes packet = udp_packet(spec);

    const auto answer = NetUnreachable::answer_to(packet);

    REQUIRE(answer);
    const auto ip = Ipv4Header::decode(answer->bytes());
    REQUIRE(ip);
    CHECK(ip->source == spec.ip.destination);
    CHECK(ip->destination == spec.ip.source);
    CHECK(ip->total_length == 576);
    REQUIRE(answer->bytes().size() == 576);
    CHECK(internet_checksum(answer->bytes().subspan(20)) == 0);
    const auto icmp = Icmpv4Header::decode(answer->bytes().subspan(20));
    CHECK(icmp->type == Icmpv4Header::destination_unreachable);
    CHECK(icmp->code == Icmpv4Header::network);
    CHECK(std::ranges::equal(answer->bytes().subspan(28), std::span(packet).first(548)));
}

TEST_CASE("NetUnreachable.SomePacketsGetNoAnswer") {
    const auto answered = [](const std::function<void(PacketSpec&)>& change) {
        PacketSpec spec;
        spec.payload = pattern(40);
        change(spec);
        return NetUnreachable::answer_to(udp_packet(spec)).has_value();
    };
    const auto icmp = [](std::uint8_t type) {
        PacketSpec spec;
        spec.payload = pattern(40);
        Bytes packet = udp_packet(spec);
        packet[9] = ip_protocol::icmp;
        packet[20] = type;
        return NetUnreachable::answer_to(packet).has_value();
    };
    CHECK(answered([](PacketSpec&) {}));
    CHECK(answered([](PacketSpec& p) { p.ip.more_fragments = true; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.fragment_offset = 8; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.source = {0}; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.source = {0x7f000001}; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.source = {0xe0000001}; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.destination = {0xe0000001}; }));
    CHECK_FALSE(answered([](PacketSpec& p) { p.ip.destination = {0xffffffff}; }));
    CHECK(icmp(Icmpv4Header::echo_request));
    CHECK_FALSE(icmp(Icmpv4Header::destination_unreachable));
    CHECK_FALSE(icmp(Icmpv4Header::time_exceeded));
    CHECK_FALSE(NetUnreachable::answer_to(Bytes(19)));
}

TEST_CASE("IcmpLimit.AllowsABurstAndThenARate") {
    IcmpLimit limit;
    constexpr std::int64_t start = 5'000'000'000'000, ms = 1'000'000;
    const auto allowed = [&](std::int64_t now_ns) {
        int count = 0;
        while (limit.allow(now_ns)) ++count;
        return count;
    };
    CHECK(allowed(start) == 50);
    CHECK(allowed(start + ms - 1) == 0);
    CHECK(allowed(start + ms) == 1);
    CHECK(allowed(start + 11 * ms) == 10);
    CHECK(allowed(start + 10'000 * ms) == 50);
}
