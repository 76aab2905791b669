#include "tests/support/ike_mesh.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

constexpr std::size_t hosts = 3;

/// What `from` seals with its newest SA, `to` can open.
bool opens(const IkeMesh& mesh, std::size_t from, std::size_t to) {
    const RecordingSink& sender = *mesh.sinks[from];
    for (auto at = sender.order.rbegin(); at != sender.order.rend(); ++at) {
        if (at->source != IkeMesh::address(from) || at->destination != IkeMesh::address(to)) {
            continue;
        }
        const auto known = mesh.sinks[to]->installed.find(at->spi);
        return known != mesh.sinks[to]->installed.end() &&
               known->second == sender.installed.at(at->spi);
    }
    return false;
}

bool all_open(const IkeMesh& mesh) {
    for (std::size_t a = 0; a < hosts; ++a) {
        for (std::size_t b = 0; b < hosts; ++b) {
            if (a != b && !opens(mesh, a, b)) return false;
        }
    }
    return true;
}

IkeOptions drawn_options(Rng& rng) {
    const auto up_to = [&](std::uint64_t limit_ms) {
        return milliseconds(static_cast<std::int64_t>(rng.below(limit_ms)));
    };
    IkeOptions options;
    options.child_rekey = seconds(2) + up_to(20'000);
    options.child_jitter = up_to(1'500);
    options.ike_rekey = seconds(3) + up_to(40'000);
    options.ike_jitter = up_to(2'500);
    options.retransmit_first = milliseconds(300) + up_to(3'000);
    options.dead_peer_delay = seconds(1) + up_to(10'000);
    return options;
}

/// A crash, an unload, a load, a partition, its end, or nothing.
void disturb(IkeMesh& mesh, Rng& rng) {
    const std::size_t host = rng.below(hosts);
    const std::size_t peer = (host + 1 + rng.below(hosts - 1)) % hosts;
    switch (rng.below(8)) {
        case 0:
            mesh.crash(host);
            mesh.start_daemon(host);
            for (std::size_t k = 0; k < hosts; ++k) {
                if (k != host) REQUIRE(mesh.load(host, k).has_value());
            }
            break;
        case 1:
            REQUIRE(mesh.daemons[host]->unload(IkeMesh::connection(host, peer).name()).has_value());
            break;
        case 2:
            REQUIRE(mesh.load(host, peer).has_value());
            break;
        case 3:
            mesh.network.isolate(IkeMesh::address(host));
            break;
        case 4:
            mesh.network.join(IkeMesh::address(host));
            break;
        default:
            break;
    }
}

}  // namespace

TEST_CASE("after any history of crashes, unloads, partitions and loss the ends agree again") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        INFO("seed " << seed);
        Rng rng = Rng::stream(seed, "ike-history");
        IkeMesh mesh(seed, drawn_options(rng));
        mesh.network.cpu_enabled = rng.chance(1, 2);
        mesh.network.loss_percent = static_cast<unsigned>(rng.below(30));
        mesh.network.delay = microseconds(10 + static_cast<std::int64_t>(rng.below(600'000)));
        mesh.add_hosts(hosts);
        mesh.load_all();
        for (int i = 0; i < 60; ++i) {
            mesh.pass(seconds(5));
            disturb(mesh, rng);
        }

        mesh.network.loss_percent = 0;
        mesh.network.delay = milliseconds(1);
        for (std::size_t i = 0; i < hosts; ++i) mesh.network.join(IkeMesh::address(i));
        mesh.load_all();
        bool agreed = false;
        // A peer may be noticed to be lost only after all its retransmissions.
        for (int i = 0; i < 3'000 && !agreed; ++i) {
            mesh.pass(milliseconds(500));
            agreed = all_open(mesh);
        }

        CHECK(agreed);
        for (const auto& sink : mesh.sinks)
            CHECK(sink->order.size() <= 40);  // nothing is forgotten
    }
}
