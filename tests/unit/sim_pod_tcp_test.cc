#include <ns3/inet-socket-address.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "sim/tcp_client.h"
#include "sim/tcp_server.h"
#include "tests/support/catch.h"
#include "tests/unit/sim_pod_pair.h"

namespace overlab::sim::test {
namespace {

/// One TCP connection that always has data, below the traffic layer, to look at the socket.
class Bulk {
   public:
    explicit Bulk(PodPair& pair)
        : server_(*pair.server, 5201, 1,
                  [this](const ns3::Ptr<PodTcpSocket>& socket) {
                      accepted = socket;
                      return [this](std::uint32_t bytes) { received += bytes; };
                  }),
          client_(*pair.client, {pair.server.get(), 5201}, 1,
                  {.connected = [] {}, .writable = [this] { fill(); }, .lost = [] {}}) {}

    PodTcpSocket& socket() { return *client_.socket(); }
    void write(std::uint64_t bytes) {
        left_ = bytes;
        if (client_.socket() != nullptr) fill();
    }

    ns3::Ptr<PodTcpSocket> accepted;
    std::uint64_t received = 0;

   private:
    void fill() {
        const std::uint64_t bytes =
            std::min<std::uint64_t>(left_, client_.socket()->GetTxAvailable());
        if (bytes == 0) return;
        left_ -= bytes;
        client_.socket()->Send(ns3::Create<ns3::Packet>(static_cast<std::uint32_t>(bytes)), 0);
    }

    std::uint64_t left_ = ~std::uint64_t{0};
    TcpServer server_;
    TcpClient client_;
};

TrafficSpec bulk_spec() {
    TrafficSpec spec;
    spec.name = "bulk";
    spec.kind = TrafficSpec::Kind::tcp;
    return spec;
}

/// 1448 of the 1538 bytes that a full segment takes on a 1500-byte Ethernet.
std::uint64_t payload_share(std::uint64_t rate_bps) { return rate_bps / 1'538 * 1'448; }

TEST_CASE("pod tcp: a flow fills its link") {
    struct Row {
        std::string name;
        std::uint64_t rate_bps;
        std::int64_t delay_ns;
        std::int64_t run_ms;
    };
    const std::vector<Row> rows{{"10 Gbit/s, rack", 10'000'000'000, 20'000, 300},
                                {"10 Gbit/s, building", 10'000'000'000, 100'000, 300},
                                {"1 Gbit/s, metro", 1'000'000'000, 2'000'000, 1'500},
                                {"100 Mbit/s, continent", 100'000'000, 20'000'000, 4'000}};
    for (const Row& row : rows) {
        INFO(row.name);
        PodPair pair({.rate_bps = row.rate_bps, .delay_ns = row.delay_ns});
        const FlowReport report = pair.run(bulk_spec(), milliseconds(row.run_ms));
        CHECK(within(report.steady_goodput_bps, payload_share(row.rate_bps), 10));
        CHECK(report.retransmits == 0);
        CHECK(report.mss_bytes == 1'448);
    }
}

TEST_CASE("pod tcp: jumbo frames carry their larger share") {
    PodPair pair({.pod_mtu = 9'000});
    const FlowReport report = pair.run(bulk_spec(), milliseconds(200));
    CHECK(within(report.steady_goodput_bps, 10'000'000'000 / 9'038 * 8'948, 10));
    CHECK(report.mss_bytes == 8'948);
}

struct Outcome {
    FlowReport report;
    std::uint64_t frames = 0, segments = 0, lost = 0;
};

/// One simulation from install to uninstall: there is one simulator a process.
Outcome run_alone(const PipeSpec& pipe, bool super_segments, Duration length) {
    PodPair pair(pipe, {.super_segments = super_segments});
    Outcome outcome{.report = pair.run(bulk_spec(), length)};
    outcome.frames = pair.forward.frames;
    outcome.segments = pair.forward.data_segments;
    outcome.lost = pair.forward.lost;
    return outcome;
}

TEST_CASE("pod tcp: super-segments change the number of events, not the goodput") {
    struct Row {
        std::string name;
        PipeSpec pipe;
    };
    const std::vector<Row> rows{
        {"its own link is the bottleneck", {.lost_segments = {}}},
        {"a switch drops the tail",
         {.rate_bps = 1'000'000'000,
          .queue_bytes = 200'000,
          .lost_segments = {},
          .queue_is_remote = true}},
        {"one segment in 5000 is lost", {.rate_bps = 1'000'000'000, .loss_one_in = 5'000}}};
    for (const Row& row : rows) {
        INFO(row.name);
        const Outcome with = run_alone(row.pipe, true, milliseconds(300));
        const Outcome without = run_alone(row.pipe, false, milliseconds(300));
        CHECK(within(with.report.goodput_bps, without.report.goodput_bps, 30));
        CHECK(with.frames * 4 < without.frames);
        CHECK(without.frames == 2 + without.segments - without.lost);  // SYN and ACK carry no data
    }
}

TEST_CASE("pod tcp: losses are repaired without a timeout") {
    struct Row {
        std::string name;
        std::set<std::uint64_t> lost;
    };
    std::set<std::uint64_t> burst, comb;
    for (std::uint64_t i = 3'000; i < 3'120; ++i) burst.insert(i);
    for (std::uint64_t i = 3'000; i < 3'400; i += 3) comb.insert(i);
    const std::vector<Row> rows{{"one segment inside a super-segment", {3'000}},
                                {"the first data segment", {0}},
                                {"120 in a row", burst},
                                {"every third of 400", comb},
                                {"far apart", {1'000, 4'000, 9'000, 15'000}}};
    for (const Row& row : rows) {
        for (const bool super_segments : {true, false}) {
            INFO(row.name << (super_segments ? ", super-segments" : ", single segments"));
            PodPair pair({.rate_bps = 1'000'000'000, .lost_segments = row.lost},
                         {.super_segments = super_segments});
            pair.configure();
            Bulk bulk(pair);

            pair.engine.run_until(400'000'000);

            CHECK(pair.forward.lost == row.lost.size());
            CHECK(bulk.socket().timeouts() == 0);
            CHECK(bulk.socket().retransmitted_segments() == row.lost.size());
            CHECK(bulk.received > 38'000'000);  // of 47 MB that 0.4 s at this rate carry
        }
    }
}

TEST_CASE("pod tcp: a lost tail is repaired by a probe, not by a timeout") {
    PodPair pair({.lost_segments = {18, 19}});
    pair.configure();
    Bulk bulk(pair);
    bulk.write(20 * 1'448);

    pair.engine.run_until(100'000'000);

    CHECK(bulk.received == 20 * 1'448);
    CHECK(bulk.socket().timeouts() == 0);
    CHECK(bulk.socket().retransmitted_segments() == 2);
}

TEST_CASE("pod tcp: when nothing comes back the timeout doubles, and the flow recovers") {
    PodPair pair;
    pair.configure();
    Bulk bulk(pair);
    pair.engine.run_until(50'000'000);
    const std::uint64_t before = bulk.received;

    pair.spec.loss_one_in = 1;  // everything
    pair.engine.run_until(3'000'000'000);
    const std::uint64_t timeouts = bulk.socket().timeouts();
    pair.spec.loss_one_in = 0;
    pair.engine.run_until(7'000'000'000);

    // 0.2, 0.4, 0.8, 1.6 s: three or four within 2.95 s, by when the first probe was sent.
    CHECK(timeouts >= 3);
    CHECK(timeouts <= 4);
    CHECK(bulk.received > before + 1'000'000'000);
}

TEST_CASE("pod tcp: fragmentation-needed lowers the segment size and repairs at once") {
    PodPair pair({.pod_mtu = 1'500, .pipe_mtu = 1'400});
    pair.configure();
    Bulk bulk(pair);

    pair.engine.run_until(50'000'000);

    CHECK(bulk.socket().segment_bytes() == 1'348);  // 1400 less 20 IP, 20 TCP, 12 time stamps
    CHECK(bulk.socket().timeouts() == 0);
    CHECK(bulk.received > 40'000'000);
    CHECK(pair.client->device().path_mtu(Ipv4Address{0xc6336401}) == 1'400);
    CHECK(pair.client->device().path_mtu(Ipv4Address{0xc6336402}) == 1'500);
}

TEST_CASE("pod tcp: the segment size is the smaller of both ends' MTU") {
    PodPair pair({.pod_mtu = 1'450});
    pair.configure();
    pair.client->configured(Ipv4Address{0xc0000201}, Ipv4Prefix::of({0xc0000200}, 24),
                            Ipv4Address{0xc00002fe}, 8'950);
    Bulk bulk(pair);
    pair.engine.run_until(10'000'000);
    CHECK(bulk.socket().segment_bytes() == 1'398);
    CHECK(bulk.accepted->segment_bytes() == 1'398);
}

TEST_CASE("pod tcp: a slow reader closes the window and opens it again") {
    CostProfile cost;
    cost.stages[static_cast<std::size_t>(CostStage::app_receive)].per_byte_ps = 8'000;  // 1 Gbit/s
    PodPair pair({}, {.window_bytes = 262'144}, cost, true);

    const FlowReport report = pair.run(bulk_spec(), milliseconds(400));

    CHECK(within(report.steady_goodput_bps, 1'000'000'000, 20));
    CHECK(pair.forward.lost == 0);
    CHECK(report.retransmits == 0);
}

TEST_CASE("pod tcp: small queues bound what waits in the sender's host") {
    PodPair pair({.rate_bps = 1'000'000'000});
    pair.configure();
    Bulk bulk(pair);
    std::uint32_t most = 0;
    for (std::int64_t t = 1; t < 200; ++t) {
        pair.engine.run_until(t * 1'000'000);
        most = std::max(most, bulk.socket().queued_in_host());
    }
    CHECK(most > 64'000);
    CHECK(most <= 262'144 + 66'000);  // the limit, passed by one aggregate at most
}

TEST_CASE("pod tcp: a connection is made again when its pod gets another address") {
    PodPair pair;
    pair.configure();
    TrafficSpec spec = bulk_spec();
    spec.start = {};
    Traffic& traffic = pair.start(spec, milliseconds(400));
    pair.engine.run_until(100'000'000);

    pair.configure_server(Ipv4Address{0xc6336402});
    pair.engine.run_until(200'000'000);
    pair.configure_client(Ipv4Address{0xc0000202});
    pair.engine.run_until(400'000'000);

    const FlowReport report = traffic.report();
    REQUIRE(report.series_bytes.size() == 4);
    for (const std::uint64_t bytes : report.series_bytes) CHECK(bytes > 100'000'000);
    CHECK(traffic.remarks().size() == 1);
}

}  // namespace
}  // namespace overlab::sim::test
