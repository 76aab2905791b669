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

TEST_CASE("deliveries count from start to stop, by step, and by fifth", "[tally]") {
    FlowTally tally;

    tally.delivered(span, 1000, 10);
    tally.delivered(span, 1199, 20);
    tally.delivered(span, 1200, 40);
    tally.delivered(span, 2000, 80);
    tally.delivered(span, 2001, 160);

    CHECK(tally.bytes == 150);
    CHECK(tally.early_bytes == 30);
    CHECK(tally.first_ns == 1000);
    CHECK(tally.last_ns == 2000);
    CHECK(tally.series.size() == 21);
    CHECK(tally.series[10] == 10);
    CHECK(tally.series[11] == 20);
    CHECK(tally.series[12] == 40);
}

TEST_CASE("a report's goodput is over the flow's time, or the transfer's", "[tally]") {
    FlowTally tally;
    const MeterSpan second{.start_ns = 0, .stop_ns = 1'000'000'000};
    tally.delivered(second, 100'000'000, 1000);
    tally.delivered(second, 500'000'000, 3000);

    FlowReport open, complete;
    tally.fill(open, second, false);
    tally.fill(complete, second, true);

    CHECK(open.goodput_bps == 32'000);
    CHECK(open.steady_goodput_bps == 30'000);
    CHECK(open.stop_ns == 1'000'000'000);
    CHECK(complete.goodput_bps == 64'000);
    CHECK(complete.steady_goodput_bps == 64'000);
    CHECK(complete.stop_ns == 500'000'000);
}

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

TEST_CASE("latency samples are thinned out beyond their bound, evenly", "[tally]") {
    LatencySamples samples(1000);
    for (std::int64_t i = 1; i <= 100'000; ++i) samples.add(i);

    const LatencySummary summary = samples.summary();

    CHECK(summary.count == 100'000);
    CHECK(samples.stride() == 128);
    CHECK(summary.p50_ns > 49'000);
    CHECK(summary.p50_ns < 51'000);
    CHECK(summary.p99_ns > 98'000);
}

TEST_CASE("jitter is the estimator of RFC 3550", "[tally]") {
    Jitter jitter;
    CHECK(jitter.ns() == 0);
    jitter.add(1000);
    CHECK(jitter.ns() == 0);
    jitter.add(1160);
    CHECK(jitter.ns() == 10);
    jitter.add(1000);
    CHECK(jitter.ns() == 19);
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

TEST_CASE("a pacer keeps a rate that does not divide a second", "[tally]") {
    Pacer pacer(100, 7'000'001);
    std::int64_t total_ns = 0;
    for (int i = 0; i < 7'000'001; ++i) total_ns += pacer.next_gap_ns();

    CHECK(total_ns == 800'000'000'000);
}
