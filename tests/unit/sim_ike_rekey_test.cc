#include "sim/sim_ike_daemon.h"
#include "tests/support/ike_mesh.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

IkeOptions fast_rekeys() {
    IkeOptions options;
    options.child_rekey = seconds(60);
    options.child_jitter = seconds(6);
    options.ike_rekey = seconds(200);
    options.ike_jitter = seconds(20);
    return options;
}

std::uint64_t sum(const IkeMesh& mesh, std::uint64_t IkeCounters::* counter) {
    std::uint64_t total = 0;
    for (const auto& daemon : mesh.daemons) total += daemon->counters().*counter;
    return total;
}

/// In a quiet moment within a minute each pair has one SA each way, the same at both ends.
bool agrees_at_some_moment(IkeMesh& mesh) {
    for (int i = 0; i < 60; ++i) {
        mesh.pass(seconds(1));
        bool agreed = true;
        for (std::size_t a = 0; a < mesh.sinks.size(); ++a) {
            for (std::size_t b = a + 1; b < mesh.sinks.size(); ++b) {
                agreed = agreed && mesh.agree(a, b);
            }
        }
        if (agreed) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a child SA is rekeyed within the hour, new before old") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(minutes(53));
    CHECK(sum(mesh, &IkeCounters::child_rekeys) == 0);
    mesh.sinks[0]->history.clear();
    mesh.sinks[1]->history.clear();

    mesh.pass(minutes(10));

    CHECK(sum(mesh, &IkeCounters::child_rekeys) == 1);
    const bool lower_asked = mesh.daemons[0]->counters().child_rekeys == 1;
    const auto& asked = mesh.sinks[lower_asked ? 0 : 1]->history;
    const auto& answered = mesh.sinks[lower_asked ? 1 : 0]->history;
    CHECK(asked == std::vector<std::string>{"in+", "out+", "out-", "in-"});
    CHECK(answered == std::vector<std::string>{"in+", "out+", "out-", "in-"});
    CHECK(mesh.agree(0, 1));
    CHECK(mesh.sinks[0]->gaps + mesh.sinks[1]->gaps == 0);
}

TEST_CASE("during a rekey each end can open what the other seals, at every instant") {
    IkeMesh mesh(1, fast_rekeys());
    mesh.network.delay = milliseconds(20);
    mesh.network.cpu_enabled = true;
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(seconds(1));
    // What the newest outbound SA of one end is, the other must know; packets are 20 ms under way.
    std::vector<std::pair<std::size_t, std::uint32_t>> sealed;
    std::size_t opened = 0;
    const auto newest_out = [&](std::size_t host) {
        const auto& entries = mesh.sinks[host]->order;
        for (auto at = entries.rbegin(); at != entries.rend(); ++at) {
            if (at->source == IkeMesh::address(host)) return at->spi;
        }
        return std::uint32_t{0};
    };
    for (int i = 0; i < 20'000; ++i) {
        for (const auto& [receiver, spi] : sealed) {
            REQUIRE(mesh.sinks[receiver]->installed.contains(spi));
            ++opened;
        }
        sealed.clear();
        for (const std::size_t host : {0U, 1U}) sealed.emplace_back(1 - host, newest_out(host));
        mesh.pass(milliseconds(20));
    }
    CHECK(opened > 39'000);
    CHECK(sum(mesh, &IkeCounters::child_rekeys) >= 6);
    CHECK(sum(mesh, &IkeCounters::ike_rekeys) >= 2);
}

TEST_CASE("under loss SAs do not lapse unless a peer is given up, and both ends agree in the end") {
    struct Row {
        unsigned loss_percent;
        bool peers_lost;  ///< six losses in a row happen
    };
    for (const Row& row : {Row{5, false}, Row{20, true}}) {
        for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
            INFO(row.loss_percent << " %, seed " << seed);
            IkeMesh mesh(seed, fast_rekeys());
            mesh.network.loss_percent = row.loss_percent;
            mesh.network.cpu_enabled = true;
            mesh.add_hosts(4);
            mesh.load_all();
            mesh.pass(minutes(5));
            for (const auto& daemon : mesh.daemons) CHECK(daemon->established() == 3);

            mesh.pass(hours(3));
            CHECK(sum(mesh, &IkeCounters::child_rekeys) >= 6 * 100);
            CHECK(sum(mesh, &IkeCounters::ike_rekeys) >= 6 * 20);
            if (!row.peers_lost) {
                CHECK(sum(mesh, &IkeCounters::peers_lost) == 0);
                for (const auto& sink : mesh.sinks) CHECK(sink->gaps == 0);
            }

            mesh.network.loss_percent = 0;
            mesh.pass(seconds(400));
            CHECK(agrees_at_some_moment(mesh));
        }
    }
}

TEST_CASE("when both ends rekey at the same instant, one rekeying results") {
    IkeOptions options = fast_rekeys();
    options.child_jitter = options.ike_jitter = {};
    options.ike_rekey = hours(4);
    IkeMesh mesh(1, options);
    mesh.network.delay = milliseconds(30);  // longer than the ends' difference in establishment
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(minutes(10));

    const std::uint64_t rekeys = sum(mesh, &IkeCounters::child_rekeys);
    CHECK(rekeys >= 9);
    CHECK(rekeys <= 10);
    CHECK(sum(mesh, &IkeCounters::peers_lost) == 0);
    CHECK(mesh.sinks[0]->gaps + mesh.sinks[1]->gaps == 0);
}

TEST_CASE("a peer that is gone is noticed by its silence: 30 s and 165 s of retransmissions") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(seconds(1));
    mesh.network.isolate(IkeMesh::address(1));

    mesh.pass(seconds(193));
    CHECK(mesh.daemons[0]->counters().peers_lost == 0);
    CHECK(mesh.sinks[0]->installed.size() == 2);
    mesh.pass(seconds(4));
    CHECK(mesh.daemons[0]->counters().peers_lost == 1);
    CHECK(mesh.sinks[0]->installed.empty());

    mesh.network.join(IkeMesh::address(1));
    mesh.pass(minutes(3));
    CHECK(mesh.agree(0, 1));
}

TEST_CASE("idle connections ask once in 30 s, one end for both") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(seconds(1));
    const std::uint64_t before = sum(mesh, &IkeCounters::messages_sent);
    mesh.pass(minutes(30));
    CHECK(sum(mesh, &IkeCounters::messages_sent) - before == 2 * 60);
    CHECK(mesh.daemons[1]->counters().peers_lost == 0);
}

TEST_CASE("a restarted peer's INITIAL_CONTACT replaces the old SAs") {
    for (const std::size_t restarted : {0U, 1U}) {
        INFO("host " << restarted + 1 << " restarts");
        IkeMesh mesh;
        mesh.add_hosts(2);
        mesh.load_all();
        mesh.pass(seconds(10));
        const auto before = mesh.sinks[1 - restarted]->installed;

        mesh.crash(restarted);
        mesh.start_daemon(restarted);
        REQUIRE(mesh.load(restarted, 1 - restarted).has_value());
        mesh.pass(seconds(5));

        CHECK(mesh.agree(0, 1));
        CHECK(mesh.daemons[1 - restarted]->established() == 1);
        for (const auto& [spi, sa] : before) {
            CHECK_FALSE(mesh.sinks[1 - restarted]->installed.contains(spi));
        }
        CHECK(mesh.sinks[1 - restarted]->gaps == 0);
    }
}

TEST_CASE("a mesh of 100 hosts costs four messages a connection") {
    IkeMesh mesh;
    mesh.network.cpu_enabled = true;
    mesh.add_hosts(100);
    mesh.load_all();

    mesh.pass(seconds(3));

    for (const auto& daemon : mesh.daemons) REQUIRE(daemon->established() == 99);
    CHECK(sum(mesh, &IkeCounters::messages_sent) == 4 * 4950);
    CHECK(mesh.runtime.steps() < 12 * 4950);
    // Establishment is bound by Diffie-Hellman: 99 connections, 2 or 3 operations, 4 workers.
    CHECK(mesh.daemons[0]->counters().crypto_ns == 99LL * 2 * 16'400'000);
    CHECK(mesh.daemons[99]->counters().crypto_ns == 99LL * 2 * 16'400'000);
}
