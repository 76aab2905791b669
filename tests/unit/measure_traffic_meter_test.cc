// What traffic programs count, and the pace they keep.
#include "models/measure/traffic_meter.h"

#include <numeric>

#include "tests/support/catch.h"

using namespace overlab;

namespace {

constexpr MeterSpan span{.start_ns = 1000, .stop_ns = 2000, .step_ns = 100};
constexpr MeterSpan second{.start_ns = 0, .stop_ns = 1'000'000'000};

}  // namespace

TEST_CASE("bits per second are exact, also of more bytes than 64 bits hold times 8e9") {
    CHECK(bits_per_second(1250, 1'000'000) == 10'000'000);
    CHECK(bits_per_second(1'000'000'000'000'000, 10'000'000'000) == 800'000'000'000'000);
    CHECK(bits_per_second(1, 3'000'000'000) == 2);  // rounded down
    CHECK(bits_per_second(1, 0) == 0);
    CHECK(bits_per_second(1, -5) == 0);
}

TEST_CASE("deliveries count from start to stop, by step, and by fifth") {
    Deliveries deliveries;

    deliveries.delivered(span, 1000, 10);
    deliveries.delivered(span, 1199, 20);
    deliveries.delivered(span, 1200, 40);
    deliveries.delivered(span, 1999, 0);
    deliveries.delivered(span, 2000, 80);
    deliveries.delivered(span, 2001, 160);

    CHECK(deliveries.bytes == 150);
    CHECK(deliveries.early_bytes == 30);
    CHECK(deliveries.first_ns == 1000);
    CHECK(deliveries.last_ns == 2000);
    CHECK(deliveries.series.size() == 21);
    CHECK(deliveries.series[10] == 10);
    CHECK(deliveries.series[11] == 20);
    CHECK(deliveries.series[12] == 40);
    CHECK(std::accumulate(deliveries.series.begin(), deliveries.series.end(), 0U) == 150);
}

TEST_CASE("an empty delivery is none") {
    Deliveries deliveries;

    deliveries.delivered(span, 1500, 0);

    CHECK(deliveries == Deliveries{});
}

TEST_CASE("without a step there is no series") {
    Deliveries deliveries;

    deliveries.delivered(second, 500, 10);

    CHECK(deliveries.bytes == 10);
    CHECK(deliveries.series.empty());
}

TEST_CASE("deliveries of two receivers add up, whichever is told first") {
    Deliveries early, late;
    early.delivered(span, 1100, 10);
    late.delivered(span, 1150, 20);
    late.delivered(span, 1900, 40);

    Deliveries one = early, other = late, none;
    one.merge(late);
    other.merge(early);
    none.merge(early);

    CHECK(one == other);
    CHECK(one.bytes == 70);
    CHECK(one.early_bytes == 30);
    CHECK(one.first_ns == 1100);
    CHECK(one.last_ns == 1900);
    CHECK(one.series[11] == 30);
    CHECK(one.series[19] == 40);
    CHECK(none == early);
    early.merge(Deliveries{});
    CHECK(early == none);
}

TEST_CASE("a report's goodput is over the flow's time, or the transfer's") {
    Deliveries deliveries;
    deliveries.delivered(second, 100'000'000, 1000);
    deliveries.delivered(second, 500'000'000, 3000);

    FlowReport open, complete;
    deliveries.fill(open, second, false);
    deliveries.fill(complete, second, true);

    CHECK(open.goodput_bps == 32'000);
    CHECK(open.steady_goodput_bps == 30'000);
    CHECK(open.stop_ns == 1'000'000'000);
    CHECK(open.first_delivery_ns == 100'000'000);
    CHECK(complete.goodput_bps == 64'000);
    CHECK(complete.steady_goodput_bps == 64'000);
    CHECK(complete.stop_ns == 500'000'000);
}

TEST_CASE("a report of nothing has no first delivery and ends with the span") {
    FlowReport report;

    Deliveries{}.fill(report, second, true);

    CHECK(report.first_delivery_ns == -1);
    CHECK(report.stop_ns == second.stop_ns);
    CHECK(report.goodput_bps == 0);
}

TEST_CASE("latency samples are thinned out beyond their bound, evenly") {
    for (const std::size_t most : {1000, 1001}) {
        CAPTURE(most);
        LatencySamples samples(most);
        for (std::int64_t i = 1; i <= 100'000; ++i) samples.add(i);

        const LatencySummary summary = samples.summary();

        CHECK(summary.count == 100'000);
        CHECK(samples.stride() == 128);
        CHECK(summary.min_ns == 1);
        CHECK(summary.p50_ns > 49'000);
        CHECK(summary.p50_ns < 51'000);
        CHECK(summary.p99_ns > 98'000);
    }
}

TEST_CASE("jitter is the estimator of RFC 3550") {
    Jitter jitter;
    CHECK(jitter.ns() == 0);
    jitter.add(1000);
    CHECK(jitter.ns() == 0);
    jitter.add(1160);
    CHECK(jitter.ns() == 10);
    jitter.add(1000);
    CHECK(jitter.ns() == 19);
}

TEST_CASE("jitter of a transit time that alternates comes to the difference") {
    Jitter jitter;
    for (int i = 0; i < 500; ++i) jitter.add(i % 2 == 0 ? 1'160 : 1'000);

    CHECK(jitter.ns() >= 158);
    CHECK(jitter.ns() <= 160);
}

TEST_CASE("a pacer keeps a rate that does not divide a second") {
    Pacer pacer(100, 7'000'001);
    std::int64_t total_ns = 0;
    for (int i = 0; i < 7'000'001; ++i) total_ns += pacer.next_gap_ns();

    CHECK(total_ns == 800'000'000'000);
}
