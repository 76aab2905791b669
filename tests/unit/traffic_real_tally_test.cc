// Tallies: what is counted, how two are added up, how one crosses to another process.
#include "real/traffic/flow_tally.h"

#include <string>

#include "real/traffic/prober.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

constexpr MeterSpan span{.start_ns = 1000, .stop_ns = 2000, .step_ns = 100};

FlowTally full_tally() {
    FlowTally tally;
    tally.sent = 10;
    tally.received = 8;
    tally.lost = 2;
    tally.delivered(span, 1100, 500);
    tally.delivered(span, 1500, 700);
    tally.retransmits = 3;
    tally.mss_bytes = 1448;
    tally.jitter_ns = 12;
    tally.latency = LatencySummary::of({5, 6, 7});
    Gaps gaps;
    gaps.probe(1200, true);
    gaps.probe(1300, false);
    gaps.report(tally);
    tally.remarks = {"traffic flow: a remark", ""};
    return tally;
}

}  // namespace

TEST_CASE("a tally crosses whole or not at all", "[tally]") {
    const FlowTally tally = full_tally();
    const std::string bytes = encode(tally);

    CHECK(decode(bytes) == tally);
    CHECK(decode(encode(FlowTally{})) == FlowTally{});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(decode(bytes.substr(0, size)).has_value());
    }
    CHECK_FALSE(decode(bytes + "x").has_value());
}

TEST_CASE("the two ends of a flow add up", "[tally]") {
    FlowTally client;
    client.sent = 10;
    client.retransmits = 1;
    client.remarks = {"one"};
    FlowTally server = full_tally();
    server.sent = 0;

    client.merge(server);

    CHECK(client.sent == 10);
    CHECK(client.bytes == 1200);
    CHECK(client.first_ns == 1100);
    CHECK(client.retransmits == 4);
    CHECK(client.latency.count == 3);
    CHECK(client.gap_count == 1);
    CHECK(client.remarks.size() == 3);
    server.merge(FlowTally{});
    CHECK(server.first_ns == 1100);
}

TEST_CASE("runs of lost probes are gaps", "[tally]") {
    Gaps gaps;
    std::int64_t due_ns = 0;
    for (const int lost : {1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1}) {
        gaps.probe(due_ns += 10, lost == 1);
    }

    FlowTally tally;
    gaps.report(tally);

    CHECK(tally.gap_count == 4);
    CHECK(tally.gaps == std::vector<Gap>{{.from_ns = 10, .to_ns = 30, .lost = 2},
                                         {.from_ns = 50, .to_ns = 60, .lost = 1},
                                         {.from_ns = 70, .to_ns = 100, .lost = 3},
                                         {.from_ns = 110, .to_ns = -1, .lost = 1}});
    CHECK(tally.longest_gap == tally.gaps[2]);
}

TEST_CASE("gaps beyond the bound are counted, and the longest is kept", "[tally]") {
    Gaps gaps;
    std::int64_t due_ns = 0;
    for (std::size_t i = 0; i < Gaps::most + 5; ++i) {
        gaps.probe(due_ns += 10, true);
        gaps.probe(due_ns += 10, false);
    }
    gaps.probe(due_ns += 10, true);
    gaps.probe(due_ns += 10, true);
    gaps.probe(due_ns += 10, false);

    FlowTally tally;
    gaps.report(tally);

    CHECK(tally.gaps.size() == Gaps::most);
    CHECK(tally.gap_count == Gaps::most + 6);
    CHECK(tally.longest_gap.lost == 2);
}

TEST_CASE("bursts alternate with pauses and are the same for the same seed", "[tally]") {
    Bursts one(7, "flow", milliseconds(10), milliseconds(30));
    Bursts two(7, "flow", milliseconds(10), milliseconds(30));
    Bursts other(8, "flow", milliseconds(10), milliseconds(30));
    std::int64_t on_ns = 0, end_ns = 0, others = 0;
    constexpr int count = 20'000;
    for (int i = 0; i < count; ++i) {
        const auto [begin, end] = one.next();
        REQUIRE(begin.ns >= end_ns);
        REQUIRE(end >= begin);
        REQUIRE(two.next() == std::pair(begin, end));
        others += other.next().second == end ? 1 : 0;
        on_ns += (end - begin).ns;
        end_ns = end.ns;
    }

    CHECK(on_ns / count > 9'700'000);
    CHECK(on_ns / count < 10'300'000);
    CHECK(end_ns / count > 39'000'000);
    CHECK(end_ns / count < 41'000'000);
    CHECK(others < 3);
}

TEST_CASE("without means a burst has no end", "[tally]") {
    Bursts bursts(1, "flow", {}, {});

    CHECK(bursts.next().first.ns == 0);
    CHECK(bursts.next().first > hours(1'000'000));
}
