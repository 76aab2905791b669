#include "sim/sim_ike_daemon.h"

#include <algorithm>

#include "tests/support/ike_mesh.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

/// `0 h1 500 IKE_SA_INIT 720`: milliseconds, sender, port, exchange, IKE length.
class IkeTap {
   public:
    explicit IkeTap(IkeMesh& mesh) {
        mesh.network.tap = [this, &mesh](const Frame& frame, Ipv4Address from, Endpoint to,
                                         Transport) {
            if (silent) return;
            const std::size_t marker = to.port == 4500 ? 4 : 0;
            const auto header =
                IkeHeader::decode({frame.data() + UdpHeader::bytes + marker, IkeHeader::bytes});
            REQUIRE(header.has_value());
            CHECK(frame.header_bytes() + frame.payload_bytes ==
                  UdpHeader::bytes + marker + header->length);
            const char* const kind = (header->flags & IkeHeader::flag_response) != 0 ? "<" : ">";
            lines.push_back(fmt::format("h{} {} {} {} {}", from.bits - 0xc0000200, kind, to.port,
                                        static_cast<int>(header->exchange_type), header->length));
            times_ms.push_back(mesh.runtime.now().ns / 1'000'000);
        };
    }
    std::vector<std::string> lines;
    std::vector<std::int64_t> times_ms;
    bool silent = false;
};

}  // namespace

TEST_CASE("four messages of charon's sizes establish a connection; the lower address begins") {
    struct Row {
        const char* name;
        bool lower_loads_first;
    };
    for (const Row& row : {Row{"the lower loads first", true}, Row{"the higher does", false}}) {
        INFO(row.name);
        IkeMesh mesh;
        mesh.add_hosts(2);
        IkeTap tap(mesh);
        const std::size_t first = row.lower_loads_first ? 0 : 1;
        REQUIRE(mesh.load(first, 1 - first).has_value());
        REQUIRE(mesh.load(1 - first, first).has_value());
        mesh.pass(milliseconds(10));

        CHECK(tap.lines == std::vector<std::string>{"h1 > 500 34 720", "h2 < 500 34 728",
                                                    "h1 > 4500 35 256", "h2 < 4500 35 224"});
        CHECK(mesh.agree(0, 1));
        CHECK(mesh.daemons[0]->established() == 1);
        CHECK(mesh.daemons[0]->loaded().value() ==
              std::vector<std::string>{"192.0.2.1-10.244.1.0/24-10.244.2.0/24-192.0.2.2"});
    }
}

TEST_CASE("Diffie-Hellman takes time: once before the first message, twice and once after it") {
    IkeMesh mesh;
    mesh.network.cpu_enabled = true;
    mesh.add_hosts(2);
    IkeTap tap(mesh);
    mesh.load_all();
    mesh.pass(seconds(1));

    // 16.4 ms an operation; 50 us each way.
    CHECK(tap.times_ms == std::vector<std::int64_t>{16, 49, 65, 65});
    CHECK(mesh.daemons[0]->counters().crypto_ns == 2 * 16'400'000);
}

TEST_CASE("the SPIs are charon's range, unique for a destination, and repeatable") {
    const auto spis = [](std::uint64_t seed) {
        IkeMesh mesh(seed);
        mesh.add_hosts(5);
        mesh.load_all();
        mesh.pass(seconds(1));
        std::set<std::pair<Ipv4Address, std::uint32_t>> inbound;
        for (const auto& sink : mesh.sinks) {
            for (const auto& [spi, sa] : sink->installed) {
                CHECK(spi >= 0xc0000000);
                CHECK(spi <= 0xcfffffff);
                CHECK(sa.first.reqid == 11);
                inbound.emplace(sa.first.destination, spi);
            }
        }
        CHECK(inbound.size() == 5 * 4);
        return inbound;
    };
    CHECK(spis(1) == spis(1));
    CHECK(spis(1) != spis(2));
}

TEST_CASE("UDP encapsulation is on port 4500 in SA rows") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    for (const std::size_t i : {0U, 1U}) {
        IkeConnection connection = IkeMesh::connection(i, 1 - i);
        connection.udp_encap = true;
        REQUIRE(mesh.daemons[i]->load(connection).has_value());
    }
    mesh.pass(seconds(1));
    REQUIRE(mesh.agree(0, 1));
    for (const auto& [spi, sa] : mesh.sinks[0]->installed) CHECK(sa.first.encap_port == 4500);
}

TEST_CASE("lost messages are sent again after 4, 11, 24, 47 and 89 s; at 165 s all begins anew") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    IkeTap tap(mesh);
    mesh.network.isolate(IkeMesh::address(1));
    REQUIRE(mesh.load(0, 1).has_value());

    mesh.pass(seconds(165));

    CHECK(tap.times_ms == std::vector<std::int64_t>{0, 4'000, 11'200, 24'160, 47'488, 89'478});
    mesh.network.join(IkeMesh::address(1));
    REQUIRE(mesh.load(1, 0).has_value());
    mesh.pass(seconds(5));
    CHECK(mesh.agree(0, 1));
}

TEST_CASE("the higher address waits 4 s for the lower, then begins itself") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    IkeTap tap(mesh);
    REQUIRE(mesh.load(1, 0).has_value());

    mesh.pass(milliseconds(3'999));
    CHECK(tap.lines.empty());
    mesh.pass(milliseconds(2));

    // The lower address has no such connection yet, and says so.
    CHECK(tap.lines == std::vector<std::string>{"h2 > 500 34 720", "h1 < 500 34 36"});
    REQUIRE(mesh.load(0, 1).has_value());
    mesh.pass(milliseconds(100));
    CHECK(mesh.agree(0, 1));
}

TEST_CASE("who refused a peer before its connection was loaded begins as soon as it is") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    REQUIRE(mesh.load(0, 1).has_value());
    mesh.pass(seconds(1));
    CHECK(mesh.daemons[1]->counters().refused == 1);

    REQUIRE(mesh.load(1, 0).has_value());
    mesh.pass(milliseconds(10));

    CHECK(mesh.agree(0, 1));
}

TEST_CASE("crossing beginnings: the lower address's goes on") {
    IkeMesh mesh;
    mesh.network.delay = milliseconds(100);
    mesh.add_hosts(2);
    REQUIRE(mesh.load(1, 0).has_value());
    mesh.pass(milliseconds(3'950));
    IkeTap tap(mesh);
    REQUIRE(mesh.load(0, 1).has_value());  // its message is under way when the other begins
    mesh.pass(milliseconds(500));

    CHECK(tap.lines == std::vector<std::string>{"h1 > 500 34 720", "h2 > 500 34 720",
                                                "h2 < 500 34 728", "h1 > 4500 35 256",
                                                "h2 < 4500 35 224"});
    CHECK(mesh.agree(0, 1));
}

TEST_CASE("a wrong key is refused, tried again every 30 s, and works once it is right") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    REQUIRE(mesh.load(0, 1, 'a').has_value());
    REQUIRE(mesh.load(1, 0, 'b').has_value());
    IkeTap tap(mesh);

    mesh.pass(seconds(100));
    // AUTHENTICATION_FAILED: 80 bytes.
    CHECK(std::count(tap.lines.begin(), tap.lines.end(), "h2 < 4500 35 80") >= 3);
    CHECK(std::count(tap.lines.begin(), tap.lines.end(), "h2 < 4500 35 80") <= 7);
    CHECK(mesh.daemons[0]->established() == 0);
    CHECK(mesh.sinks[0]->installed.empty());
    CHECK(mesh.sinks[1]->installed.empty());

    REQUIRE(mesh.load(1, 0, 'a').has_value());
    mesh.pass(seconds(5));
    CHECK(mesh.agree(0, 1));
}

TEST_CASE("loading twice changes nothing; unloading withdraws at both ends") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    mesh.load_all();
    mesh.pass(seconds(1));
    const std::uint64_t sent = mesh.daemons[0]->counters().messages_sent;
    mesh.load_all();
    mesh.pass(seconds(1));
    CHECK(mesh.daemons[0]->counters().messages_sent == sent);

    const std::string name = IkeMesh::connection(0, 1).name();
    REQUIRE(mesh.daemons[0]->unload(name).has_value());
    REQUIRE(mesh.daemons[0]->unload(name).has_value());
    CHECK(mesh.sinks[0]->installed.empty());
    CHECK(mesh.daemons[0]->loaded().value().empty());
    mesh.pass(seconds(1));
    CHECK(mesh.sinks[1]->installed.empty());
    CHECK(mesh.daemons[1]->loaded().value().size() == 1);
}

TEST_CASE("what simulated hosts do not speak is refused with a reason") {
    IkeMesh mesh;
    mesh.add_hosts(2);
    struct Row {
        const char* proposal;
        const char* expect;
    };
    for (const Row& row : {Row{"aes256-sha256", "do not know `aes256`"},
                           Row{"aes128gcm16-sha256-frodo", "do not know `frodo`"},
                           Row{"sha256-prfsha256", "names no cipher"}}) {
        IkeConnection connection = IkeMesh::connection(0, 1);
        connection.esp_proposal = row.proposal;
        const auto loaded = mesh.daemons[0]->load(connection);
        REQUIRE_FALSE(loaded.has_value());
        CHECK(loaded.error().kind == ErrorKind::unsupported);
        CHECK(loaded.error().what.find(row.expect) != std::string::npos);
        CHECK(loaded.error().what.find("kkk") == std::string::npos);  // never the key
    }
    REQUIRE_FALSE(mesh.daemons[0]->load(IkeMesh::connection(1, 0)).has_value());
}
