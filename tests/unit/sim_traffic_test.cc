#include <fmt/format.h>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sim/exponential.h"
#include "tests/support/catch.h"
#include "tests/unit/sim_pod_pair.h"

namespace overlab::sim::test {
namespace {

TrafficSpec udp_spec(std::uint64_t rate_bps) {
    TrafficSpec spec;
    spec.name = "datagrams";
    spec.kind = TrafficSpec::Kind::udp;
    spec.rate_bps = rate_bps;
    return spec;
}

TrafficSpec requests_spec(bool over_tcp, Duration interval = {}) {
    TrafficSpec spec;
    spec.name = "requests";
    spec.kind = TrafficSpec::Kind::request_response;
    spec.over_tcp = over_tcp;
    spec.interval = interval;
    return spec;
}

std::string text(const FlowReport& r) {
    std::string series;
    for (const std::uint64_t bytes : r.series_bytes) series += fmt::format(" {}", bytes);
    return fmt::format(
        "{} {} {}..{} bytes {} bps {}/{} packets {}/{}/{} again {} rtt {} {} {} {} "
        "jitter {} first {} mss {} series{}",
        r.name, r.kind, r.start_ns, r.stop_ns, r.bytes_delivered, r.goodput_bps,
        r.steady_goodput_bps, r.packets_sent, r.packets_received, r.packets_lost, r.retransmits,
        r.latency.count, r.latency.min_ns, r.latency.p50_ns, r.latency.max_ns, r.jitter_ns,
        r.first_delivery_ns, r.mss_bytes, series);
}

TEST_CASE("udp traffic: rate, delay and size are those asked for") {
    PodPair pair;
    const FlowReport report = pair.run(udp_spec(100'000'000), seconds(1));

    // 1472 bytes fill the MTU; 117.76 us apart at 100 Mbit/s.
    CHECK(report.packets_sent == 8'492);
    CHECK(report.packets_lost == 0);
    CHECK(within(report.goodput_bps, 100'000'000, 1));
    const std::int64_t wire_ns = (1'500 + 38) * 8 / 10;
    CHECK(report.latency.min_ns == 50'000 + wire_ns);
    CHECK(report.latency.max_ns == report.latency.min_ns);
    CHECK(report.jitter_ns == 0);
    CHECK(report.first_delivery_ns == 50'000 + wire_ns);
}

TEST_CASE("udp traffic: lost datagrams are counted, those still under way are not") {
    std::set<std::uint64_t> lost;
    for (std::uint64_t i = 100; i < 150; ++i) lost.insert(i);
    PodPair pair({.delay_ns = 5'000'000, .lost_segments = lost});
    const FlowReport report = pair.run(udp_spec(10'000'000), seconds(1));
    CHECK(report.packets_lost == 50);
    CHECK(report.packets_sent > report.packets_received + 50);  // 5 ms hold four more
}

TEST_CASE("udp traffic: nothing arrives from behind a dead link, and all of it is lost") {
    PodPair pair({.loss_one_in = 1});
    const FlowReport report = pair.run(udp_spec(10'000'000), seconds(1));
    CHECK(report.packets_sent == 850);
    CHECK(report.packets_lost == 850);
    CHECK(report.first_delivery_ns == -1);
}

TEST_CASE("udp traffic: datagrams beyond the MTU arrive as fragments of one") {
    PodPair pair;
    TrafficSpec spec = udp_spec(10'000'000);
    spec.packet_bytes = 4'000;
    const FlowReport report = pair.run(spec, seconds(1));
    CHECK(report.packets_lost == 0);
    CHECK(report.bytes_delivered == report.packets_received * 4'000);
    CHECK(pair.forward.data_segments == 3 * report.packets_sent);
}

TEST_CASE("udp traffic: a slow reader loses what its buffer does not hold") {
    CostProfile cost;
    cost.stages[static_cast<std::size_t>(CostStage::app_receive)].per_aggregate_ns = 20'000;
    PodPair pair({}, {}, cost, true);
    const FlowReport report = pair.run(udp_spec(1'177'600'000), seconds(1));  // each 10 us
    CHECK(within(report.packets_received, 50'000, 10));
    CHECK(report.packets_lost > 49'000);
    CHECK(report.latency.max_ns > 2'000'000);  // 212992 bytes of queue, 20 us each
}

TEST_CASE("request_response: back to back exchanges take a round trip each") {
    for (const bool over_tcp : {false, true}) {
        INFO((over_tcp ? "tcp" : "udp"));
        PodPair pair({.delay_ns = 100'000});
        const FlowReport report = pair.run(requests_spec(over_tcp), milliseconds(100));
        CHECK(report.packets_lost == 0);
        CHECK(report.latency.p50_ns >= 200'000);
        CHECK(report.latency.p99_ns <= 201'000);
        CHECK(within(report.packets_received, 499, 10));
        CHECK(report.bytes_delivered == report.packets_received * 128);
    }
}

TEST_CASE("request_response: an interval sets the pace, not the answers") {
    for (const bool over_tcp : {false, true}) {
        INFO((over_tcp ? "tcp" : "udp"));
        PodPair pair({.delay_ns = 5'000'000});
        const FlowReport report =
            pair.run(requests_spec(over_tcp, milliseconds(1)), milliseconds(500));
        CHECK(report.packets_sent >= 488);
        CHECK(report.packets_sent <= 500);
        CHECK(report.packets_received + 11 >= report.packets_sent);
    }
}

TEST_CASE("request_response: a lost request costs a second over UDP, a timeout over TCP") {
    PodPair udp({.delay_ns = 100'000, .lost_segments = {10}});
    const FlowReport lossy = udp.run(requests_spec(false), milliseconds(1'500));
    CHECK(lossy.packets_lost == 1);
    CHECK(lossy.latency.max_ns < 1'000'000);
    CHECK(within(lossy.packets_received, 2'490, 20));  // of the half second without the pause
}

TEST_CASE("request_response: TCP repairs a lost request") {
    PodPair pair({.delay_ns = 100'000, .lost_segments = {10}});
    const FlowReport report = pair.run(requests_spec(true), milliseconds(1'500));
    CHECK(report.packets_lost == 0);
    CHECK(report.retransmits == 1);
    CHECK(report.latency.max_ns > 190'000'000);
    CHECK(report.latency.max_ns < 260'000'000);
}

TEST_CASE("request_response: waking and reading cost their time") {
    CostProfile cost;
    cost.wakeup_ns = 3'000;
    cost.stages[static_cast<std::size_t>(CostStage::app_receive)].per_aggregate_ns = 2'000;
    PodPair pair({.delay_ns = 100'000}, {}, cost, true);
    const FlowReport report = pair.run(requests_spec(false), milliseconds(50));
    CHECK(report.latency.min_ns >= 210'000);  // 2 * (100 + 3 + 2) us
    CHECK(report.latency.max_ns <= 211'000);
    CHECK(pair.client_cpu.used_ns()[static_cast<std::size_t>(CostStage::app_receive)] ==
          static_cast<std::int64_t>(report.packets_received) * 2'000);
}

TEST_CASE("on_off traffic: runs for its share of the time") {
    TrafficSpec spec = udp_spec(10'000'000);
    spec.kind = TrafficSpec::Kind::on_off;
    spec.on = milliseconds(30);
    spec.off = milliseconds(70);
    PodPair pair;
    const FlowReport report = pair.run(spec, seconds(60));
    CHECK(within(report.goodput_bps, 3'000'000, 150));
    CHECK(report.packets_lost == 0);
}

TEST_CASE("exponential: mean, spread and bounds") {
    Rng rng = Rng::stream(1, "test");
    std::vector<std::int64_t> draws(20'000);
    for (auto& draw : draws) draw = exponential(rng, milliseconds(10)).ns;
    std::int64_t sum = 0;
    for (const std::int64_t draw : draws) sum += draw;
    std::sort(draws.begin(), draws.end());
    CHECK(within(static_cast<std::uint64_t>(sum) / draws.size(), 10'000'000, 20));
    CHECK(within(static_cast<std::uint64_t>(draws[10'000]), 6'931'472, 30));  // ln 2 means
    CHECK(draws.front() >= 0);
    CHECK(draws.back() < 200'000'000);
    CHECK(log2_q24(1) == 0);
    CHECK(log2_q24(3) == 26'591'258);  // log2(3) * 2^24 = 26591258.01
    CHECK(log2_q24(~std::uint64_t{0}) == (std::uint64_t{64} << 24) - 1);
}

TEST_CASE("tcp traffic: a fixed number of bytes ends with the last of them") {
    TrafficSpec spec;
    spec.name = "transfer";
    spec.streams = 3;
    spec.bytes = 10'000'000;
    PodPair pair({.rate_bps = 1'000'000'000});
    const FlowReport report = pair.run(spec, seconds(2));
    CHECK(report.bytes_delivered == 10'000'000);
    CHECK(report.stop_ns > 80'000'000);
    CHECK(report.stop_ns < 95'000'000);
    CHECK(within(report.goodput_bps, 941'000'000, 50));
}

TEST_CASE("traffic: starts late, and says so, when a pod has no address yet") {
    PodPair pair;
    TrafficSpec spec = udp_spec(10'000'000);
    spec.start = milliseconds(100);
    Traffic& traffic = pair.start(spec, seconds(1));
    pair.configure_client(Ipv4Address{0xc0000201});

    pair.engine.run_until(405'000'000);
    CHECK(traffic.report().packets_sent == 0);
    pair.configure_server(Ipv4Address{0xc6336401});
    pair.engine.run_until(1'000'000'000);

    const FlowReport report = traffic.report();
    CHECK(report.start_ns == 410'000'000);
    CHECK(report.packets_sent == 502);
    CHECK(traffic.remarks() ==
          std::vector<std::string>{
              "traffic datagrams: started 310 ms late: its pods had no addresses before"});
}

TEST_CASE("traffic: what never started is said to have not") {
    PodPair pair;
    Traffic& traffic = pair.start(udp_spec(1'000'000), seconds(2));
    pair.engine.run_until(2'000'000'000);
    CHECK(traffic.report().bytes_delivered == 0);
    CHECK(traffic.remarks() ==
          std::vector<std::string>{
              "traffic datagrams: never started: its pods had no addresses in time"});
}

TEST_CASE("traffic: two simulations in one process give equal reports") {
    const auto once = [](std::uint64_t seed) {
        PodPair pair({.rate_bps = 1'000'000'000, .queue_bytes = 100'000, .loss_one_in = 3'000});
        pair.configure();
        std::vector<TrafficSpec> specs{udp_spec(50'000'000),
                                       requests_spec(false),
                                       requests_spec(true),
                                       udp_spec(20'000'000),
                                       {}};
        specs[3].kind = TrafficSpec::Kind::on_off;
        specs[3].on = specs[3].off = milliseconds(20);
        specs[4].streams = 2;
        std::string reports;
        for (TrafficSpec& spec : specs) {
            spec.start = milliseconds(1);
            pair.start(spec, milliseconds(500), seed);
        }
        pair.engine.run_until(500'000'000);
        for (const auto& traffic : pair.traffic) reports += text(traffic->report()) + "\n";
        return reports + std::to_string(pair.engine.event_count());
    };
    const std::string first = once(1);
    CHECK(first == once(1));
    CHECK(first != once(2));
}

}  // namespace
}  // namespace overlab::sim::test
