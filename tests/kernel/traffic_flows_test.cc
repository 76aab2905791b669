// Every kind of flow between two pods of this kernel gives the numbers that it should.
#include "tests/support/pod_pair.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using overlab::test::PodPair;
using Kind = TrafficSpec::Kind;

namespace {

constexpr Duration run_end = milliseconds(1200);
const Duration grace = seconds(10);

TrafficSpec one_second(Kind kind) {
    return {.name = "flow", .kind = kind, .start = milliseconds(200)};
}

struct Outcome {
    FlowReport flow;
    TrafficCpu cpu;
    std::string warnings;
};

Outcome outcome_of(const RealTraffic& traffic) {
    Outcome outcome{.flow = traffic.report(), .cpu = traffic.cpu(), .warnings = {}};
    for (const std::string& line : traffic.warnings()) outcome.warnings += line + "\n";
    return outcome;
}

Outcome run(PodPair& pods, const TrafficSpec& spec, RealTrafficSetup setup) {
    const auto traffic = RealTraffic::create(pods.loop, spec, std::move(setup));
    traffic->start();
    REQUIRE(pods.loop.run_until([&] { return traffic->finished(); }, grace));
    return outcome_of(*traffic);
}

Outcome run(PodPair& pods, const TrafficSpec& spec) { return run(pods, spec, pods.setup(run_end)); }

std::uint64_t sum(const std::vector<std::uint64_t>& series) {
    return std::accumulate(series.begin(), series.end(), std::uint64_t{0});
}

void check_delivery(const FlowReport& flow) {
    CHECK(flow.bytes_delivered > 0);
    CHECK(flow.goodput_bps > 0);
    CHECK(flow.steady_goodput_bps > 0);
    CHECK(flow.first_delivery_ns >= flow.start_ns);
    CHECK(flow.first_delivery_ns <= flow.stop_ns);
    CHECK(flow.start_ns >= milliseconds(200).ns);
    CHECK(flow.stop_ns <= run_end.ns);
    CHECK(sum(flow.series_bytes) == flow.bytes_delivered);
    CHECK(flow.series_bytes.size() <= 13);
}

void check_latency(const LatencySummary& latency) {
    CHECK(latency.count > 10);
    CHECK(latency.min_ns > 0);
    CHECK(latency.p50_ns >= latency.min_ns);
    CHECK(latency.p99_ns > latency.p50_ns);
    CHECK(latency.max_ns < seconds(1).ns);
}

}  // namespace

TEST_CASE("a tcp flow is iperf3's, with its segments counted", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::tcp);
    spec.streams = 2;

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    check_delivery(outcome.flow);
    CHECK(outcome.flow.kind == "tcp");
    CHECK(outcome.flow.from == "a");
    CHECK(outcome.flow.to == "b");
    CHECK(outcome.flow.mss_bytes == 1448);  // 1500 less IPv4, TCP and its time stamps
    CHECK(outcome.flow.stop_ns == run_end.ns);
    CHECK(outcome.flow.series_bytes.size() == 12);
    CHECK((outcome.cpu.from_system + outcome.cpu.from_user).ns > 0);
    CHECK((outcome.cpu.to_system + outcome.cpu.to_user).ns > 0);
}

TEST_CASE("a tcp flow of a fixed amount delivers exactly that and ends then", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::tcp);
    spec.bytes = 10'000'001;
    spec.streams = 3;

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    check_delivery(outcome.flow);
    CHECK(outcome.flow.bytes_delivered == 10'000'001);
    CHECK(outcome.flow.stop_ns < run_end.ns);
    CHECK(outcome.flow.mss_bytes == 1448);
}

TEST_CASE("a udp flow is iperf3's, with one-way latency of its own datagrams", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::udp);
    spec.rate_bps = 10'000'000;

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    check_delivery(outcome.flow);
    check_latency(outcome.flow.latency);
    CHECK(outcome.flow.packets_sent > 500);
    CHECK(outcome.flow.packets_lost == 0);
    CHECK(outcome.flow.packets_received * 1472 == outcome.flow.bytes_delivered);
    CHECK(outcome.flow.jitter_ns > 0);
}

TEST_CASE("an on_off flow sends what its bursts hold", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::on_off);
    spec.rate_bps = 10'000'000;
    spec.packet_bytes = 500;
    spec.on = spec.off = milliseconds(20);

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    check_delivery(outcome.flow);
    check_latency(outcome.flow.latency);
    CHECK(outcome.flow.packets_sent > 100);
    CHECK(outcome.flow.packets_sent < 2500);  // what it would send without pauses
    CHECK(outcome.flow.packets_lost == 0);
    CHECK(outcome.flow.packets_received == outcome.flow.packets_sent);
    CHECK(outcome.flow.bytes_delivered == outcome.flow.packets_received * 500);
}

TEST_CASE("requests are answered, back to back and at fixed instants", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const bool over_tcp = GENERATE(false, true);
    const Duration interval = GENERATE(Duration{}, milliseconds(2));
    CAPTURE(over_tcp, interval.ns);
    TrafficSpec spec = one_second(Kind::request_response);
    spec.over_tcp = over_tcp;
    spec.interval = interval;
    spec.request_bytes = 100;
    spec.response_bytes = 300;

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    check_delivery(outcome.flow);
    check_latency(outcome.flow.latency);
    CHECK(outcome.flow.packets_lost == 0);
    CHECK(outcome.flow.packets_received == outcome.flow.packets_sent);
    CHECK(outcome.flow.latency.count == outcome.flow.packets_received);
    CHECK(outcome.flow.bytes_delivered % 400 == 0);
    CHECK(outcome.flow.mss_bytes == (over_tcp ? 1448 : 0));
    if (interval.ns == 0) {
        CHECK(outcome.flow.packets_sent > 1000);
    } else {
        CHECK(outcome.flow.packets_sent <= 500);
        CHECK(outcome.flow.packets_sent >= 490);
    }
}

TEST_CASE("large messages over tcp arrive whole", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::request_response);
    spec.over_tcp = true;
    spec.request_bytes = spec.response_bytes = 5'000'000;

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.warnings == "");
    CHECK(outcome.flow.packets_received > 0);
    CHECK(outcome.flow.bytes_delivered % 10'000'000 == 0);
}

TEST_CASE("a flow waits for its pods' addresses and says how late it was", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const Kind kind = GENERATE(Kind::tcp, Kind::on_off, Kind::request_response);
    CAPTURE(kind);
    TrafficSpec spec = one_second(kind);
    spec.rate_bps = 5'000'000;
    spec.on = spec.off = milliseconds(10);
    RealTrafficSetup setup = pods.setup(run_end);
    setup.to.address = [&pods] {
        const bool known = pods.loop.now() >= Instant{milliseconds(500).ns};
        return known ? PodPair::address_b : Ipv4Address{};
    };

    const Outcome outcome = run(pods, spec, setup);

    check_delivery(outcome.flow);
    CHECK(outcome.flow.start_ns >= milliseconds(500).ns);
    CHECK_THAT(outcome.warnings, Catch::Contains("ms late: its pods had no"));
}

TEST_CASE("a tcp client that has no way yet connects once there is one", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const bool fixed_amount = GENERATE(false, true);
    CAPTURE(fixed_amount);
    TrafficSpec spec = one_second(Kind::tcp);
    spec.bytes = fixed_amount ? 1'000'000 : 0;
    REQUIRE(pods.links_b.remove_address("eth0", PodPair::address_b, 24));
    std::int64_t mended_ns = -1;
    Timer mend(pods.loop);
    mend.start(milliseconds(600), [&] {
        mended_ns = pods.loop.now().ns;
        REQUIRE(pods.links_b.add_address("eth0", PodPair::address_b, 24));
    });

    const Outcome outcome = run(pods, spec, pods.setup(seconds(3)));

    CHECK(outcome.flow.bytes_delivered >= 1'000'000);
    CHECK(outcome.flow.first_delivery_ns >= mended_ns);
}

TEST_CASE("a flow that never finds its server delivers nothing and says why", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    REQUIRE(pods.links_b.remove_address("eth0", PodPair::address_b, 24));

    const Outcome tcp = run(pods, one_second(Kind::tcp));

    CHECK(tcp.flow.bytes_delivered == 0);
    CHECK(tcp.flow.first_delivery_ns == -1);
    CHECK_THAT(tcp.warnings, Catch::Contains("unable to connect to server"));
}

TEST_CASE("without iperf3 a bulk flow says what to install", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    RealTrafficSetup setup = pods.setup(run_end);
    setup.iperf3 = "iperf3-not-here";

    const Outcome outcome = run(pods, one_second(Kind::tcp), setup);

    CHECK(outcome.flow.bytes_delivered == 0);
    CHECK(outcome.warnings ==
          "traffic flow: iperf3-not-here: not installed; apt-get install iperf3-not-here\n");
}

TEST_CASE("a flow whose time is over ends at once", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec = one_second(Kind::tcp);
    spec.start = seconds(2);

    const Outcome outcome = run(pods, spec);

    CHECK(outcome.flow.bytes_delivered == 0);
    CHECK(outcome.warnings == "traffic flow: never started: its time was over\n");
}

TEST_CASE("two flows into one pod at once keep apart", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec bulk = one_second(Kind::tcp), requests = one_second(Kind::request_response);
    const auto one = RealTraffic::create(pods.loop, bulk, pods.setup(run_end, 0));
    const auto two = RealTraffic::create(pods.loop, requests, pods.setup(run_end, 1));

    one->start();
    two->start();
    REQUIRE(pods.loop.run_until([&] { return one->finished() && two->finished(); }, grace));

    CHECK(outcome_of(*one).warnings == "");
    CHECK(outcome_of(*two).warnings == "");
    check_delivery(one->report());
    check_delivery(two->report());
    CHECK(two->report().packets_lost == 0);
}
