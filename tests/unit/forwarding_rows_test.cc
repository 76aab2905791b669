#include <string>
#include <string_view>
#include <vector>

#include "models/forwarding/rows.h"
#include "tests/support/catch.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using overlab::test::lines;
using overlab::test::row;
using overlab::test::state;

TEST_CASE("rows read as ip and bridge would say them, and are read back", "[forwarding]") {
    const auto line = GENERATE(
        as<std::string_view>{},
        "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac "
        "02:00:00:00:00:01",
        "link flannel.7 vxlan vni 16777215 local 192.0.2.1 dev eth0 port 4789 mtu 8950 mac "
        "02:00:00:00:00:01 learning",
        "link flannel0 tun local 192.0.2.1 port 8285 mtu 1472",
        "link flannel.ipip ipip local 192.0.2.1 mtu 1480",
        "link flannel-wg wireguard port 51820 mtu 1420", "addr 10.244.1.0/32 dev flannel.1",
        "neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1",
        "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1",
        "tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0",
        "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
        "10.244.2.0/24 dev flannel-wg",
        "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
        "10.244.2.0/24 dev flannel-wg keepalive 25 psk #0badcafe",
        "sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11",
        "sa 192.0.2.1 -> 192.0.2.2 spi 0x00000100 reqid 11 encap 4500",
        "policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11",
        "policy fwd 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11",
        "filter forward 10.244.0.0/16", "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24",
        "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random",
        "route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
        "route 10.244.2.0/24 via 192.0.2.2 dev eth0", "route 10.244.0.0/16 dev flannel0");

    const Result<Row> parsed = parse_row(line);

    REQUIRE(parsed.has_value());
    CHECK(to_string(*parsed) == line);
}

TEST_CASE("a line that is no row is refused with the place that is wrong", "[forwarding]") {
    struct Case {
        std::string_view line, complaint;
    };
    const auto [line, complaint] = GENERATE(values<Case>({
        {"", "expected link, addr, neigh, fdb, tunnel, peer, sa, policy, filter or route"},
        {"rout 10.244.2.0/24 dev eth0", "expected link, addr"},
        {"addr 10.244.1.0/32 dev", "expected an interface name"},
        {"addr 10.244.1.0/33 dev flannel.1", "10.244.1.0/33"},
        {"addr 10.244.1.0/32 on flannel.1", "expected `dev`, found `on`"},
        {"neigh 10.244.2.0 lladdr 02:00:00:00:00 dev flannel.1", "02:00:00:00:00"},
        {"fdb 02:00:00:00:00:02 dst 192.0.2.256 dev flannel.1", "192.0.2.256"},
        {"tunnel 10.244.2.0/24 to 192.0.2.2 dev flannel0", "`192.0.2.2` is no address:port"},
        {"tunnel 10.244.2.0/24 to 192.0.2.2:70000 dev flannel0", "`70000` is no number in range"},
        {"link flannel.ipip ipip local 192.0.2.1 port 4 mtu 1480", "expected `mtu`, found `port`"},
        {"peer AQEB endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg",
         "expected 44 base64 characters"},
        {"peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel-wg psk 0badcafe",
         "`0badcafe` is no fingerprint"},
        {"filter reject 10.244.0.0/16", "expected `forward`, found `reject`"},
        {"sa 192.0.2.1 -> 192.0.2.2 spi 12 reqid 11", "`12` is no hexadecimal SPI"},
        {"sa 192.0.2.1 -> 192.0.2.2 spi 0x1ffffffff reqid 11", "no number in range"},
        {"policy up 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11",
         "expected `out`, `in` or `fwd`, found `up`"},
        {"route 10.244.2.0/24 via 192.0.2.2 dev eth0 onlink please", "`please` is left over"},
        {"link flannel.1 vxlan vni -1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac "
         "02:00:00:00:00:01",
         "`-1` is no number in range"},
    }));

    const Result<Row> parsed = parse_row(line);

    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().kind == ErrorKind::invalid_argument);
    CHECK_THAT(parsed.error().what, Catch::Contains(std::string(complaint)));
    CHECK_THAT(parsed.error().what, Catch::Contains(std::string(line)));
}

TEST_CASE("rows order as they must be installed: what a route needs comes before it",
          "[forwarding]") {
    const ForwardingState sorted = state(R"(
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
        filter forward 10.244.0.0/16
        policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
        peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg
        tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0
        fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
        neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
        addr 10.244.1.0/32 dev flannel.1
        link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
    )");

    std::string kinds;
    for (const Row& each : sorted.rows()) kinds += to_string(each).substr(0, 3) + ' ';
    CHECK(kinds == "lin add nei fdb tun pee sa  pol fil rou ");
}

TEST_CASE("the value of a row takes no part in its key", "[forwarding]") {
    struct Case {
        std::string_view a, b;
        bool same;
    };
    const auto [a, b, same] = GENERATE(values<Case>({
        {"route 10.244.2.0/24 dev eth0", "route 10.244.2.0/24 via 192.0.2.2 dev eth1 onlink", true},
        {"route 10.244.2.0/24 dev eth0", "route 10.244.2.0/25 dev eth0", false},
        {"neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1",
         "neigh 10.244.2.0 lladdr 02:00:00:00:00:03 dev flannel.1", true},
        {"neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1",
         "neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.2", false},
        {"fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1",
         "fdb 02:00:00:00:00:02 dst 192.0.2.3 dev flannel.1", true},
        {"fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1",
         "fdb 02:00:00:00:00:03 dst 192.0.2.2 dev flannel.1", false},
        {"policy in 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11",
         "policy fwd 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11", false},
        {"addr 10.244.1.0/32 dev flannel.1", "addr 10.244.1.0/32 dev flannel0", false},
        {"peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel-wg",
         "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.3:51821 allowed "
         "10.244.3.0/24 dev flannel-wg keepalive 9",
         true},
        {"peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel-wg",
         "peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel-wg",
         false},
        {"filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24",
         "filter masquerade 10.244.0.0/16 subnet 10.244.2.0/24 fully-random", true},
        {"filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24", "filter forward 10.244.0.0/16",
         false},
    }));

    CHECK(same_key(row(a), row(b)) == same);
}

TEST_CASE("a pre-shared key is compared and shown by its fingerprint alone", "[forwarding]") {
    WireguardKey secret;
    secret.bytes.fill(7);
    WireguardPeerRow peer{.link = "flannel-wg", .psk = WireguardPsk::of(secret)};

    const std::string line = to_string(Row(peer));

    CHECK_THAT(line, !Catch::Contains(secret.to_string()));
    CHECK_THAT(line, Catch::Contains(" psk #"));
    CHECK(row(line) == Row(peer));
    secret.bytes.fill(8);
    peer.psk = WireguardPsk::of(secret);
    CHECK(row(line) != Row(peer));
}

TEST_CASE("a state keeps one row a key: the last one given", "[forwarding]") {
    ForwardingState held = state("route 10.244.2.0/24 dev eth0\nroute 10.244.2.0/24 dev eth1");
    CHECK(held.to_string() == "route 10.244.2.0/24 dev eth1\n");

    held.install(row("route 10.244.2.0/24 dev eth2"));
    CHECK(held.to_string() == "route 10.244.2.0/24 dev eth2\n");

    held.withdraw(row("route 10.244.2.0/24 dev eth9"));
    CHECK(held.rows().empty());
    held.withdraw(row("route 10.244.2.0/24 dev eth9"));
    CHECK(held.rows().empty());
}

TEST_CASE("a difference withdraws routes first and installs them last", "[forwarding]") {
    const ForwardingState actual = state(R"(
        neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
        neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1
        fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
        fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel.1
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
        route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink
    )");
    const ForwardingState desired = state(R"(
        neigh 10.244.2.0 lladdr 02:00:00:00:00:22 dev flannel.1
        neigh 10.244.4.0 lladdr 02:00:00:00:00:04 dev flannel.1
        fdb 02:00:00:00:00:04 dst 192.0.2.4 dev flannel.1
        fdb 02:00:00:00:00:22 dst 192.0.2.2 dev flannel.1
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
        route 10.244.4.0/24 via 10.244.4.0 dev flannel.1 onlink
    )");

    CHECK(lines(diff(desired, actual)) ==
          "- route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink\n"
          "- fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel.1\n"
          "- fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1\n"
          "- neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1\n"
          "+ neigh 10.244.2.0 lladdr 02:00:00:00:00:22 dev flannel.1\n"
          "+ neigh 10.244.4.0 lladdr 02:00:00:00:00:04 dev flannel.1\n"
          "+ fdb 02:00:00:00:00:04 dst 192.0.2.4 dev flannel.1\n"
          "+ fdb 02:00:00:00:00:22 dst 192.0.2.2 dev flannel.1\n"
          "+ route 10.244.4.0/24 via 10.244.4.0 dev flannel.1 onlink\n");
    CHECK(diff(desired, desired).empty());
}
