// What we read out of iperf3's reports. The samples in traffic_real_iperf3/ are real ones (3.12),
// of sessions that were ended by SIGTERM: TCP with two streams, UDP of which some was dropped on
// the way, and a client without a server.
#include "real/traffic/iperf3_json.h"

#include <fstream>
#include <iterator>
#include <numeric>
#include <string>

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

std::string sample(const std::string& name) {
    const std::string path =
        std::string(OVERLAB_SOURCE_DIR) + "/tests/unit/traffic_real_iperf3/" + name + ".json";
    std::ifstream file(path);
    REQUIRE(file.is_open());
    return {std::istreambuf_iterator<char>(file), {}};
}

std::uint64_t sum(const std::vector<std::uint64_t>& series) {
    return std::accumulate(series.begin(), series.end(), std::uint64_t{0});
}

/// A flow from 1 s to 3 s whose client ran from 1 s until `end_ns`.
Iperf3Session session_until(std::int64_t end_ns, bool udp) {
    return {.name = "flow",
            .span = {.start_ns = 1'000'000'000, .stop_ns = 3'000'000'000, .step_ns = 100'000'000},
            .begin_ns = 1'000'000'000,
            .end_ns = end_ns,
            .udp = udp};
}

}  // namespace

TEST_CASE("a tcp sender's report has retransmissions and the segment size", "[iperf3]") {
    const Iperf3Report report = parse_iperf3(sample("tcp_client")).value();

    CHECK(report.error == "interrupt - the client has terminated");
    CHECK(report.retransmits == 11);
    CHECK(report.mss_bytes == 32768);
    CHECK(report.intervals.size() == 12);
    CHECK(report.intervals[1].from_ns == 121'102'000);
    CHECK(report.end_ns == 1'106'655'000);
}

TEST_CASE("a udp receiver's report has losses and jitter", "[iperf3]") {
    const Iperf3Report report = parse_iperf3(sample("udp_server")).value();

    CHECK(report.bytes_received == 358'500);
    CHECK(report.packets == 754);
    CHECK(report.packets_lost == 37);
    CHECK(report.jitter_ns == 6878);
}

TEST_CASE("a client without a server reports why, and no interval", "[iperf3]") {
    const Iperf3Report report = parse_iperf3(sample("refused_client")).value();

    CHECK(report.error == "unable to connect to server: Connection refused");
    CHECK(report.intervals.empty());
}

TEST_CASE("text that is no whole report is refused", "[iperf3]") {
    const std::string whole = sample("tcp_client");

    for (const std::string& text :
         {std::string(), std::string("iperf3: error - unable to start"), std::string("[]"),
          std::string("{}"), whole.substr(0, 1), whole.substr(0, whole.size() / 2),
          whole.substr(0, whole.rfind('}'))}) {
        CAPTURE(text.size());
        const Result<Iperf3Report> report = parse_iperf3(text);
        REQUIRE_FALSE(report.has_value());
        CHECK(report.error().kind == ErrorKind::invalid_argument);
    }
}

TEST_CASE("members of the wrong type count as absent", "[iperf3]") {
    const Iperf3Report report =
        parse_iperf3(R"({"start": [], "intervals": [1, {"sum": {"bytes": -1, "end": "x"}}],
                         "end": {"sum_sent": {"retransmits": null}, "sum": 3}})")
            .value();

    CHECK(report.intervals.size() == 2);
    CHECK(report.intervals[1].bytes == 0);
    CHECK(report.retransmits == 0);
}

TEST_CASE("a tcp session's tally counts what the receiver got, each interval once", "[iperf3]") {
    const FlowTally tally = tally_session(session_until(2'150'000'000, false), sample("tcp_client"),
                                          sample("tcp_server"));

    CHECK(tally.bytes == 2'259'812'352);  // its sum_received
    CHECK(sum(tally.series) == tally.bytes);
    CHECK(tally.retransmits == 11);
    CHECK(tally.mss_bytes == 32768);
    CHECK(tally.remarks.empty());
    // The client sent for 1.106655 s until its end: the time before that was connecting.
    CHECK(tally.first_ns == 2'150'000'000 - 1'106'655'000);
    CHECK(tally.series.size() == 22);
    // The first 0.4 s of the flow hold 0.356655 s of the session.
    CHECK(tally.early_bytes > 88'866'816 + 77'070'336 + 151'519'232);
    CHECK(tally.early_bytes < 88'866'816 + 77'070'336 + 151'519'232 + 148'635'648);
}

TEST_CASE("what arrived after the last interval counts until the session's end", "[iperf3]") {
    const std::string client = R"({"start": {}, "end": {"sum_sent": {"end": 0.5}}})";
    const std::string server =
        R"({"start": {}, "intervals": [{"sum": {"start": 0, "end": 0.4, "bytes": 400}}],
            "end": {"sum_received": {"end": 0.4, "bytes": 500}}})";

    const FlowTally tally = tally_session(session_until(1'500'000'000, false), client, server);

    CHECK(tally.bytes == 500);
    REQUIRE(tally.series.size() == 15);
    for (std::size_t step = 10; step < 15; ++step) CHECK(tally.series[step] == 100);
    CHECK(tally.early_bytes == 400);
}

TEST_CASE("what is told past the flow's stop arrived before it", "[iperf3]") {
    const std::string server =
        R"({"start": {}, "intervals": [{"sum": {"start": 0, "end": 2.0, "bytes": 400}},
                                       {"sum": {"start": 2.0, "end": 2.1, "bytes": 7}}]})";

    const FlowTally tally =
        tally_session(session_until(3'100'000'000, false), R"({"start": {}})", server);

    CHECK(tally.series.size() == 30);
    CHECK(sum(tally.series) == 407);
}

TEST_CASE("a udp session's tally has the receiver's losses", "[iperf3]") {
    const FlowTally tally = tally_session(session_until(1'760'000'000, true), sample("udp_client"),
                                          sample("udp_server"));

    CHECK(tally.sent == 754);
    CHECK(tally.received == 717);
    CHECK(tally.lost == 37);
    CHECK(tally.bytes == 717 * 500);
    CHECK(tally.mss_bytes == 0);
}

TEST_CASE("a session without a report has a remark for each end", "[iperf3]") {
    const FlowTally tally = tally_session(session_until(2'000'000'000, false), "", "{\"start\"");

    CHECK(tally.bytes == 0);
    CHECK(tally.first_ns == -1);
    REQUIRE(tally.remarks.size() == 2);
    CHECK(tally.remarks[0] ==
          "traffic flow: iperf3: its report (0 bytes) is no JSON report or has no end of the "
          "client");
}

TEST_CASE("datagrams after the last arrival are lost unless they may be under way", "[iperf3]") {
    FlowTally tally;
    tally.sent = 1000;
    tally.received = 900;
    tally.lost = 10;
    tally.latency.count = 900;
    tally.latency.max_ns = 8'000'000;

    SECTION("ten milliseconds of them at most are under way") {
        count_unseen(tally, 1000);
        CHECK(tally.lost == 90);
    }
    SECTION("fewer than that are no loss") {
        count_unseen(tally, 100'000);
        CHECK(tally.lost == 10);
    }
    SECTION("if nothing ever arrived, all are lost") {
        tally.received = 0;
        tally.latency = {};
        count_unseen(tally, 1000);
        CHECK(tally.lost == 1000);
    }
}
