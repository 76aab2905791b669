// What flows and probes measure when the wire is cut, and what becomes of their programs.
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "real/traffic/blackhole_probe.h"
#include "real/traffic/prober_socket.h"
#include "tests/support/pod_pair.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using overlab::test::PodPair;
using Kind = TrafficSpec::Kind;

namespace {

const Duration grace = seconds(15);

/// When the wire was really down: just before it was cut and just after it was mended.
struct Outage {
    std::int64_t before_ns = -1, cut_ns = -1, mend_ns = -1, mended_ns = -1;
};

class Cutter {
   public:
    Cutter(PodPair& pods, Duration cut, Duration mend)
        : pods_(pods), cut_timer_(pods.loop), mend_timer_(pods.loop) {
        cut_timer_.start(cut, [this] {
            outage.before_ns = pods_.loop.now().ns;
            pods_.set_wire(false);
            outage.cut_ns = pods_.loop.now().ns;
        });
        mend_timer_.start(mend, [this] {
            outage.mend_ns = pods_.loop.now().ns;
            pods_.set_wire(true);
            outage.mended_ns = pods_.loop.now().ns;
        });
    }
    Outage outage;

   private:
    PodPair& pods_;
    Timer cut_timer_, mend_timer_;
};

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

}  // namespace

TEST_CASE("a black-hole probe finds the gap of a cut wire", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const Duration interval = milliseconds(5);
    const auto probe = BlackholeProbe::create(pods.loop, {.name = "probe",
                                                          .from = pods.end_a(),
                                                          .to = pods.end_b(),
                                                          .index = 7,
                                                          .start = milliseconds(100),
                                                          .stop = milliseconds(1500),
                                                          .interval = interval});
    Cutter cutter(pods, milliseconds(500), milliseconds(800));

    probe->start();
    REQUIRE(pods.loop.run_until([&] { return probe->finished(); }, grace));

    const BlackholeReport report = probe->report();
    const Outage& outage = cutter.outage;
    REQUIRE(report.gap_count >= 1);
    const Gap gap = report.longest;
    // What left while the wire was certainly down is lost. What left before may be, too, if it or
    // its answer was under way; and after it was mended the link takes its time to come up.
    CHECK(gap.from_ns > milliseconds(100).ns);
    CHECK(gap.from_ns <= outage.cut_ns + interval.ns + report.worst_late_ns);
    CHECK(gap.to_ns >= outage.mend_ns);
    CHECK(report.longest_ns() == gap.to_ns - gap.from_ns);
    CHECK(gap.lost > 0);
    CHECK(report.lost >= gap.lost);
    CHECK(report.sent == report.answered + report.lost);
    CHECK(report.sent == 280);
    CHECK(probe->flow().packets_lost == report.lost);
    CHECK(probe->flow().first_delivery_ns > 0);
}

TEST_CASE("a gap that lasts to the end has no length", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const auto probe = BlackholeProbe::create(pods.loop, {.name = "probe",
                                                          .from = pods.end_a(),
                                                          .to = pods.end_b(),
                                                          .start = milliseconds(50),
                                                          .stop = milliseconds(500),
                                                          .answer_timeout = milliseconds(200)});
    Cutter cutter(pods, milliseconds(250), seconds(1000));

    probe->start();
    REQUIRE(pods.loop.run_until([&] { return probe->finished(); }, grace));

    CHECK(probe->report().gap_count == 1);
    CHECK(probe->report().longest_ns() == -1);
    CHECK(probe->report().longest.lost == probe->report().lost);
}

TEST_CASE("a cut wire shows as lost datagrams and as silence in the series", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const Kind kind = GENERATE(Kind::udp, Kind::on_off);
    CAPTURE(kind);
    TrafficSpec spec{.name = "flow", .kind = kind, .start = milliseconds(100)};
    spec.rate_bps = 4'000'000;
    spec.packet_bytes = 500;  // one every millisecond
    spec.on = spec.off = Duration{};
    const auto traffic = RealTraffic::create(pods.loop, spec, pods.setup(seconds(2)));
    Cutter cutter(pods, milliseconds(600), milliseconds(1200));

    traffic->start();
    REQUIRE(pods.loop.run_until([&] { return traffic->finished(); }, grace));

    FlowReport flow = traffic->report();
    flow.series_bytes.resize(20);
    const Outage& outage = cutter.outage;
    // How many depends on when a busy machine let the sender send.
    CHECK(flow.packets_lost > 0);
    CHECK(flow.packets_lost + flow.packets_received <= flow.packets_sent);
    // Steps wholly within the outage are silent. iperf3's intervals do not begin with our steps,
    // and those at an edge are spread over both.
    const auto step_ns = milliseconds(100).ns;
    for (auto step = outage.cut_ns / step_ns + 2; (step + 2) * step_ns < outage.mend_ns; ++step) {
        CAPTURE(step);
        CHECK(flow.series_bytes[static_cast<std::size_t>(step)] == 0);
    }
}

TEST_CASE("requests over tcp outlive a cut wire and none is lost", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    TrafficSpec spec{.name = "flow", .kind = Kind::request_response, .start = milliseconds(100)};
    spec.over_tcp = true;
    spec.interval = milliseconds(10);
    const auto traffic = RealTraffic::create(pods.loop, spec, pods.setup(seconds(3)));
    Cutter cutter(pods, milliseconds(400), milliseconds(700));

    traffic->start();
    REQUIRE(pods.loop.run_until([&] { return traffic->finished(); }, grace));

    const FlowReport flow = traffic->report();
    CHECK(flow.packets_lost == 0);
    CHECK(flow.packets_received == flow.packets_sent);
    CHECK(flow.latency.max_ns >= cutter.outage.mend_ns - cutter.outage.cut_ns - 10'000'000);
}

TEST_CASE("a tcp flow whose wire stays cut still reports what arrived before", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const TrafficSpec spec{.name = "flow", .kind = Kind::tcp, .start = milliseconds(100)};
    const auto traffic = RealTraffic::create(pods.loop, spec, pods.setup(milliseconds(1500)));
    Cutter cutter(pods, milliseconds(600), seconds(1000));

    traffic->start();
    REQUIRE(pods.loop.run_until([&] { return traffic->finished(); }, grace));

    const FlowReport flow = traffic->report();
    for (const std::string& line : traffic->warnings()) UNSCOPED_INFO(line);
    CHECK(flow.bytes_delivered > 0);
    CHECK(flow.series_bytes.size() < 15);
}

TEST_CASE("a server whose port is taken for a while serves afterwards", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    const Kind kind = GENERATE(Kind::tcp, Kind::request_response);
    CAPTURE(kind);
    TrafficSpec spec{.name = "flow", .kind = kind, .start = milliseconds(100)};
    FlowTally ignored;
    Fd thief;
    {
        const NetnsScope scope(pods.b);
        const ProgramTask task{.name = "thief", .span = {.stop_ns = -1}, .port = 5201};
        thief = kind == Kind::tcp ? listen_streams(task, -1, ignored)
                                  : bind_datagrams(task, -1, ignored);
    }
    REQUIRE(thief.valid());
    Timer release(pods.loop);
    release.start(milliseconds(400), [&] { thief.close(); });
    const auto traffic = RealTraffic::create(pods.loop, spec, pods.setup(seconds(3)));

    traffic->start();
    REQUIRE(pods.loop.run_until([&] { return traffic->finished(); }, grace));

    CHECK(traffic->report().bytes_delivered > 0);
    REQUIRE_FALSE(traffic->warnings().empty());
    CHECK_THAT(traffic->warnings().front(), Catch::Contains("Address already in use"));
}

TEST_CASE("flows dropped in the middle leave no process", "[traffic]") {
    OVERLAB_POD_PAIR(pods);
    for (const Kind kind : {Kind::tcp, Kind::udp, Kind::on_off, Kind::request_response}) {
        TrafficSpec spec{.name = "flow", .kind = kind, .start = milliseconds(10)};
        spec.rate_bps = 1'000'000;
        auto traffic = RealTraffic::create(pods.loop, spec, pods.setup(seconds(60)));
        traffic->start();
        pods.loop.run_until([] { return false; }, milliseconds(200));
        REQUIRE(has_children());

        traffic.reset();

        CHECK_FALSE(has_children());
    }
}
