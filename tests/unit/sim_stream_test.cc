#include "sim/stream.h"

#include <memory>
#include <string>
#include <vector>

#include "sim/tcp_segment.h"
#include "tests/support/fake_network.h"
#include "tests/support/stream_recorder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

constexpr Ipv4Address server_address{0xc0000201};  // 192.0.2.1
constexpr Ipv4Address client_address{0xc0000202};
constexpr std::uint16_t port = 2379;

/// One server, one client, a network between them.
struct Pair {
    explicit Pair(std::uint64_t seed = 1, StreamOptions options = {})
        : network(runtime, seed),
          server(network.add("store", server_address), runtime, at_server, options),
          client(network.add("node", client_address), runtime, at_client, options) {
        at_server.host = &server;
        at_client.host = &client;
        server.listen(port);
    }

    StreamId connect() { return client.connect({server_address, port}); }

    void pass(Duration span) { REQUIRE(runtime.run_for(span)); }

    VirtualRuntime runtime;
    FakeNetwork network;
    StreamRecorder at_server, at_client;
    StreamHost server, client;
};

std::vector<std::string> numbered(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back("m" + std::to_string(i));
    return names;
}

}  // namespace

TEST_CASE("a stream opens with a three-way handshake, carries and closes in order") {
    Pair pair;
    std::vector<std::string> seen;
    FrameText describe;
    pair.network.tap = [&](const Frame& frame, Ipv4Address from, Endpoint, Transport) {
        const bool client = from == client_address;
        seen.push_back((client ? "client " : "server ") + describe(frame, client));
    };

    const StreamId stream = pair.connect();
    pair.client.send(stream, text_message("hello", 100));
    pair.pass(milliseconds(10));
    pair.server.send(pair.at_server.opened.at(0), text_message("there", 3000));
    pair.pass(milliseconds(60));
    pair.client.close(stream);
    pair.pass(milliseconds(10));

    CHECK(seen == std::vector<std::string>{
                      "client SYN seq 0 ack 0 len 0 mss 1460",
                      "server SYN ACK seq 0 ack 1 len 0 mss 1460",
                      "client ACK seq 1 ack 1 len 0",
                      "client PSH ACK seq 1 ack 1 len 100",
                      "server PSH ACK seq 1 ack 101 len 3000 in 3 segments",
                      "client ACK seq 101 ack 3001 len 0",
                      "client FIN ACK seq 101 ack 3001 len 0",
                      "server ACK seq 3001 ack 102 len 0",
                      "server FIN ACK seq 3001 ack 102 len 0",
                      "client ACK seq 102 ack 3002 len 0",
                  });
    CHECK(pair.at_server.texts == std::vector<std::string>{"hello"});
    CHECK(pair.at_client.texts == std::vector<std::string>{"there"});
    CHECK(pair.at_server.ended == std::vector<StreamEnd>{StreamEnd::closed});
    CHECK(pair.at_client.ended.empty());
    CHECK(pair.client.size() == 0);
    CHECK(pair.server.size() == 0);
}

TEST_CASE("a single small message is acknowledged after 40 ms, or with the answer") {
    Pair pair;
    const StreamId stream = pair.connect();
    pair.pass(milliseconds(1));
    pair.client.send(stream, text_message("ping", 100));
    pair.pass(milliseconds(39));

    CHECK(pair.client.unacknowledged(stream) == 100);
    pair.pass(milliseconds(2));
    CHECK(pair.client.unacknowledged(stream) == 0);

    pair.at_server.echo = true;
    pair.client.send(stream, text_message("ping", 100));
    const std::uint64_t before = pair.network.frames();
    pair.pass(milliseconds(1));
    CHECK(pair.client.unacknowledged(stream) == 0);
    CHECK(pair.network.frames() == before + 1);  // the answer alone
}

TEST_CASE("under loss everything is delivered in order, exactly once") {
    struct Row {
        const char* name;
        unsigned loss_percent;
        int messages;
        std::uint32_t bytes;
    };
    const std::vector<Row> rows{{"small messages, 5 %", 5, 400, 120},
                                {"small messages, 20 %", 20, 400, 120},
                                {"aggregates, 20 %", 20, 20, 20'000},
                                {"aggregates, 1 %", 1, 200, 200'000}};
    for (const Row& row : rows) {
        for (const std::uint64_t seed : {1U, 2U, 3U}) {
            INFO(row.name << ", seed " << seed);
            StreamOptions options;
            options.patience = minutes(5);
            Pair pair(seed, options);
            pair.network.loss_percent = row.loss_percent;
            pair.network.delay = milliseconds(2);
            const StreamId stream = pair.connect();
            const auto names = numbered(row.messages);

            for (const auto& name : names) {
                pair.client.send(stream, text_message(name, row.bytes));
                pair.pass(microseconds(300));
            }
            pair.pass(minutes(5));

            CHECK(pair.at_server.texts == names);
            CHECK(pair.client.unacknowledged(stream) == 0);
            CHECK(pair.network.lost() > 0);
        }
    }
}

TEST_CASE("selective acknowledgements: one lost segment of many costs that segment alone") {
    Pair pair;
    const StreamId stream = pair.connect();
    pair.pass(milliseconds(1));
    int data_frames = 0;
    pair.network.tap = [&](const Frame& frame, Ipv4Address, Endpoint, Transport) {
        if (frame.payload_bytes > 0) pair.network.loss_percent = ++data_frames == 3 ? 100 : 0;
    };

    for (const auto& name : numbered(8)) pair.client.send(stream, text_message(name, 1000));
    pair.pass(milliseconds(5));

    CHECK(pair.at_server.texts == numbered(8));
    CHECK(pair.network.lost() == 1);
    CHECK(pair.client.counters().bytes_retransmitted == 1000);
}

TEST_CASE("retransmissions back off from 200 ms, and after 5 s without progress the stream ends") {
    Pair pair;
    const StreamId stream = pair.connect();
    pair.pass(milliseconds(1));
    pair.at_server.echo = true;
    pair.client.send(stream, text_message("measured", 100));
    pair.pass(seconds(1));
    const Instant sent = pair.runtime.now();
    std::vector<std::int64_t> at_ms;
    pair.network.tap = [&](const Frame&, Ipv4Address from, Endpoint, Transport) {
        if (from == client_address) at_ms.push_back((pair.runtime.now() - sent).ns / 1'000'000);
    };

    pair.network.isolate(server_address);
    pair.client.send(stream, text_message("lost", 100));
    pair.pass(milliseconds(4999));
    CHECK(pair.at_client.ended.empty());
    pair.pass(milliseconds(1));

    CHECK(pair.at_client.ended == std::vector<StreamEnd>{StreamEnd::timed_out});
    // 0.2 s after the first, then 0.4, 0.8, 1.6; at 5 s only the reset.
    CHECK(at_ms == std::vector<std::int64_t>{0, 200, 600, 1400, 3000, 5000});
    CHECK_FALSE(pair.client.send(stream, text_message("late", 1)));
}

TEST_CASE("the other end learns of a broken stream by its own data or by keepalive probes") {
    Pair pair;
    pair.connect();
    pair.pass(milliseconds(1));
    pair.network.isolate(client_address);

    SECTION("by keepalive: 30 s of silence and five probes, 5 s later where it was accepted") {
        pair.pass(milliseconds(34'990));
        CHECK(pair.at_client.ended.empty());
        pair.pass(milliseconds(20));
        CHECK(pair.at_client.ended == std::vector<StreamEnd>{StreamEnd::timed_out});
        pair.pass(milliseconds(4'970));
        CHECK(pair.at_server.ended.empty());
        pair.pass(milliseconds(20));
        CHECK(pair.at_server.ended == std::vector<StreamEnd>{StreamEnd::timed_out});
    }
    SECTION("by its data: 5 s") {
        pair.server.send(pair.at_server.opened.at(0), text_message("news", 100));
        pair.pass(milliseconds(5'001));
        CHECK(pair.at_server.ended == std::vector<StreamEnd>{StreamEnd::timed_out});
        CHECK(pair.at_client.ended.empty());

        pair.network.join(client_address);  // the next probe is answered with a reset
        pair.pass(seconds(30));
        CHECK(pair.at_client.ended == std::vector<StreamEnd>{StreamEnd::reset});
    }
}

TEST_CASE("an idle stream costs four frames a minute") {
    Pair pair;
    pair.connect();
    pair.pass(seconds(1));
    const std::uint64_t before = pair.network.frames();

    pair.pass(minutes(10));

    CHECK(pair.network.frames() - before <= 40);
    CHECK(pair.network.frames() - before >= 20);
    CHECK(pair.at_client.ended.empty());
}

TEST_CASE("a stream that nobody answers, or that is refused, ends") {
    Pair pair;
    const auto end_of_connect = [&](Endpoint to, Duration after) {
        pair.client.connect(to);
        pair.pass(after);
        REQUIRE(pair.at_client.ended.size() == 1);
        return pair.at_client.ended[0];
    };

    SECTION("no such host: SYNs at 0, 1 and 3 s") {
        const std::uint64_t before = pair.network.frames();
        CHECK(end_of_connect({Ipv4Address{0xc0000209}, port}, seconds(5)) == StreamEnd::timed_out);
        CHECK(pair.network.frames() - before == 3 + 1);  // and a reset
    }
    SECTION("a port that only an ended stream used") {
        pair.server.connect({client_address, 1});  // binds the server's first client port
        CHECK(end_of_connect({server_address, 49152}, milliseconds(1)) == StreamEnd::reset);
    }
    CHECK(pair.client.size() == 0);
    CHECK(pair.at_client.opened.empty());
}

TEST_CASE("where large segments vanish, smaller ones get through") {
    Pair pair;
    pair.network.path_mtu = 1100;
    const StreamId stream = pair.connect();
    pair.pass(milliseconds(1));

    pair.client.send(stream, text_message("snapshot", 300'000));
    pair.pass(seconds(2));

    CHECK(pair.at_server.texts == std::vector<std::string>{"snapshot"});
    CHECK(pair.client.unacknowledged(stream) == 0);
}

TEST_CASE("a stream that was full says once that it has drained") {
    Pair pair;
    const StreamId stream = pair.connect();
    pair.client.send(stream, text_message("small", 1000));
    pair.pass(seconds(1));
    CHECK(pair.at_client.drained == 0);

    pair.client.send(stream, text_message("large", 500'000));
    CHECK(pair.client.unacknowledged(stream) == 500'000);
    pair.pass(seconds(1));

    CHECK(pair.at_client.drained == 1);
    CHECK(pair.at_server.sizes == std::vector<std::uint32_t>{1000, 500'000});
}

TEST_CASE("a peer that began anew from the same port replaces its old stream") {
    Pair pair;
    const Ipv4Address address{0xc0000203};
    HostSockets& sockets = pair.network.add("reborn", address);
    StreamRecorder first, second;
    auto program = std::make_unique<StreamHost>(sockets, pair.runtime, first, StreamOptions{});
    program->connect({server_address, port});
    pair.pass(seconds(1));
    pair.network.isolate(address);
    program = nullptr;  // its resets are lost
    pair.pass(seconds(1));
    pair.network.join(address);

    StreamHost successor(sockets, pair.runtime, second, {});
    const StreamId stream = successor.connect({server_address, port});
    successor.send(stream, text_message("anew", 10));
    pair.pass(seconds(1));

    CHECK(first.ended.empty());
    CHECK(pair.at_server.ended == std::vector<StreamEnd>{StreamEnd::reset});
    CHECK(pair.at_server.texts == std::vector<std::string>{"anew"});
    CHECK(pair.at_server.opened.size() == 2);
}

TEST_CASE("destroying a StreamHost resets its streams and leaves nothing behind") {
    Pair pair;
    HostSockets& sockets = pair.network.add("brief", Ipv4Address{0xc0000203});
    StreamRecorder recorder;
    auto program = std::make_unique<StreamHost>(sockets, pair.runtime, recorder, StreamOptions{});
    const StreamId stream = program->connect({server_address, port});
    program->send(stream, text_message("unheard", 100'000));
    pair.pass(microseconds(75));  // the answer to the SYN is on its way

    program = nullptr;
    pair.pass(seconds(10));

    CHECK(recorder.opened.empty());
    CHECK(recorder.ended.empty());
    CHECK(pair.at_server.ended.size() == pair.at_server.opened.size());
    CHECK(pair.server.size() == 0);
    CHECK(pair.runtime.pending() == 0);
}
