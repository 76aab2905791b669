// Streams over real simulated hosts and links: what FakeNetwork does not have, queues.
#include <memory>
#include <vector>

#include "sim/stream.h"
#include "tests/support/sim_lab.h"
#include "tests/support/stream_recorder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

constexpr std::size_t clients = 8;

/// h1 is the server, h2..h9 the clients; links queue 250 kB: little more than streams hand down.
struct Star {
    Star()
        : lab(scenario(), R"({"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}})"),
          runtime(lab.engine),
          server(std::make_unique<StreamHost>(lab.host(0), runtime, at_server, StreamOptions{})) {
        server->listen(2379);
        for (std::size_t i = 0; i < clients; ++i) {
            at_client.push_back(std::make_unique<StreamRecorder>());
            hosts.push_back(std::make_unique<StreamHost>(lab.host(i + 1), runtime, *at_client[i],
                                                         StreamOptions{}));
            hosts[i]->connect({lab.host(0).address(), 2379});
        }
        pass(milliseconds(10));
    }

    static Scenario scenario() {
        Scenario star = star_scenario(clients + 1);
        for (UnderlayLink& link : star.underlay.links) link.queue_bytes = 250'000;
        return star;
    }
    void pass(Duration span) { lab.run(span.ns); }
    void send_to_all(std::uint32_t bytes) {
        for (const StreamId stream : at_server.opened) {
            server->send(stream, text_message("snapshot", bytes));
        }
    }

    SimLab lab;
    EngineRuntime runtime;
    StreamRecorder at_server;
    std::vector<std::unique_ptr<StreamRecorder>> at_client;
    std::unique_ptr<StreamHost> server;
    std::vector<std::unique_ptr<StreamHost>> hosts;
};

}  // namespace

TEST_CASE("many streams at once share their host's link without overflowing its queue") {
    Star star;
    REQUIRE(star.at_server.opened.size() == clients);

    star.send_to_all(2'000'000);
    star.pass(milliseconds(20));  // 16 MB at 10 Gbit/s take 13 ms

    for (const auto& client : star.at_client) {
        CHECK(client->sizes == std::vector<std::uint32_t>{2'000'000});
    }
    CHECK(star.server->counters().bytes_retransmitted == 0);
}

TEST_CASE("streams that wait for their turn go on after the link was down") {
    Star star;
    star.send_to_all(2'000'000);
    star.pass(milliseconds(2));
    star.lab.network->set_link_up(0, false);
    star.pass(seconds(1));

    star.lab.network->set_link_up(0, true);
    star.pass(seconds(3));

    for (const auto& client : star.at_client) {
        CHECK(client->sizes == std::vector<std::uint32_t>{2'000'000});
        CHECK(client->ended.empty());
    }
}
