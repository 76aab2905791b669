// One host 192.0.2.1/24 on eth0 with a default route through 192.0.2.254.
#include "models/forwarding/tables.h"

#include <string_view>

#include "tests/support/catch.h"
#include "tests/support/fake_host_stack.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using overlab::test::FakeHostStack;
using overlab::test::lines;
using overlab::test::row;
using overlab::test::rows;

namespace {

constexpr std::string_view vxlan_device =
    "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01";
constexpr std::string_view tun_device = "link flannel0 tun local 192.0.2.1 port 8285 mtu 1472";

Ipv4Address ip(std::string_view text) { return *Ipv4Address::parse(text); }

class Host {
   public:
    ForwardingTables tables = std::move(FakeHostStack("host-1", ip("192.0.2.1")).tables());

    void install(std::string_view text) {
        for (const Row& each : rows(text)) REQUIRE(tables.install(each).has_value());
    }
    void withdraw(std::string_view text) {
        for (const Row& each : rows(text)) REQUIRE(tables.withdraw(each).has_value());
    }
};

}  // namespace

TEST_CASE("a dump shows the rows that were installed and nothing of the host's own",
          "[forwarding]") {
    Host host;
    CHECK(host.tables.dump().to_string().empty());

    const std::string_view text = R"(
        link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
        link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
        addr 10.244.1.0/32 dev flannel.1
        neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
        fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
        link flannel.ipip ipip local 192.0.2.1 mtu 1480
        link flannel-wg wireguard port 51820 mtu 1420
        tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel0
        peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg
        filter forward 10.244.0.0/16
        policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
        route 10.244.3.0/24 via 192.0.2.3 dev eth0
    )";
    host.install(text);
    host.install("sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11");

    CHECK(host.tables.dump().to_string() == lines(text));
    CHECK(host.tables.own_row_count() == 13);
    CHECK_THAT(host.tables.dump(true).to_string(), Catch::Contains("spi 0xc0000001"));
}

TEST_CASE("installing what is there and withdrawing what is not succeed", "[forwarding]") {
    Host host;
    host.install(vxlan_device);
    host.install("route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink");
    const ForwardingState before = host.tables.dump();

    host.install("route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink");
    host.withdraw(R"(
        route 10.244.9.0/24 dev flannel.1
        fdb 02:00:00:00:00:09 dst 192.0.2.9 dev flannel.1
        neigh 10.244.9.0 lladdr 02:00:00:00:00:09 dev nowhere
        tunnel 10.244.9.0/24 to 192.0.2.9:8285 dev nowhere
        link nowhere tun local 192.0.2.1 port 8285 mtu 1472
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
        policy in 10.244.9.0/24 -> 10.244.1.0/24 tunnel 192.0.2.9 -> 192.0.2.1 reqid 11
    )");

    CHECK(host.tables.dump() == before);
    CHECK(host.tables.own_row_count() == 2);
}

TEST_CASE("rows that the kernel would refuse are refused", "[forwarding]") {
    struct Case {
        const char* why;
        std::string_view line;
        ErrorKind kind;
    };
    const auto [why, line, kind] = GENERATE(values<Case>({
        {"route on an absent device", "route 10.244.2.0/24 dev flannel.9", ErrorKind::not_found},
        {"address on an absent device", "addr 10.244.1.0/32 dev flannel.9", ErrorKind::not_found},
        {"vxlan over an absent device",
         "link flannel.9 vxlan vni 9 local 192.0.2.1 dev eth9 port 8472 mtu 1450 mac "
         "02:00:00:00:00:01",
         ErrorKind::not_found},
        {"gateway behind a router", "route 10.244.2.0/24 via 198.51.100.2 dev eth0",
         ErrorKind::invalid_argument},
        {"gateway on another device", "route 10.244.2.0/24 via 192.0.2.2 dev flannel.1",
         ErrorKind::invalid_argument},
        {"gateway is this host", "route 10.244.2.0/24 via 192.0.2.1 dev eth0",
         ErrorKind::invalid_argument},
        {"gateway is this host, onlink", "route 10.244.2.0/24 via 10.244.1.0 dev flannel.1 onlink",
         ErrorKind::invalid_argument},
        {"FDB row on a device that has no FDB", "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel0",
         ErrorKind::invalid_argument},
        {"tunnel peer on a device without a proxy",
         "tunnel 10.244.2.0/24 to 192.0.2.2:8285 dev flannel.1", ErrorKind::invalid_argument},
        {"WireGuard peer on another device",
         "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel0",
         ErrorKind::invalid_argument},
        {"WireGuard peer on an absent device",
         "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
         "10.244.2.0/24 dev flannel-wg",
         ErrorKind::not_found},
        {"a network as an address", "addr 10.244.1.0/24 dev flannel.1",
         ErrorKind::invalid_argument},
        {"the host's own device", "link eth0 tun local 192.0.2.1 port 8285 mtu 1472",
         ErrorKind::already_exists},
        {"the host's own route", "route 192.0.2.0/24 dev flannel.1", ErrorKind::already_exists},
    }));
    INFO(why);
    Host host;
    host.install(vxlan_device);
    host.install(tun_device);
    host.install("addr 10.244.1.0/32 dev flannel.1");
    const ForwardingState before = host.tables.dump();

    const Result<void> done = host.tables.install(row(line));

    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == kind);
    CHECK_THAT(done.error().what, Catch::StartsWith(std::string(line)));
    CHECK(host.tables.dump() == before);
}

TEST_CASE("a device takes the rows on it along when it goes", "[forwarding]") {
    Host host;
    host.install(vxlan_device);
    host.install(R"(
        addr 10.244.1.0/32 dev flannel.1
        neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
        fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
        route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
        route 10.244.3.0/24 via 192.0.2.3 dev eth0
    )");
    REQUIRE(host.tables.is_local(ip("10.244.1.0")));

    host.withdraw(vxlan_device);

    CHECK(host.tables.dump().to_string() == "route 10.244.3.0/24 via 192.0.2.3 dev eth0\n");
    CHECK_FALSE(host.tables.is_local(ip("10.244.1.0")));
    CHECK(host.tables.own_row_count() == 1);
    CHECK(host.tables.find_link("flannel.1") == no_link);
}

TEST_CASE("a WireGuard device keeps its peers when its port changes, and only then",
          "[forwarding]") {
    const std::string_view peer =
        "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
        "10.244.2.0/24 dev flannel-wg";
    Host host;
    host.install("link flannel-wg wireguard port 51820 mtu 1420");
    host.install("link wg-other wireguard port 51830 mtu 1420");
    host.install(peer);
    host.install(
        "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
        "10.244.3.0/24 dev wg-other");

    host.install("link flannel-wg wireguard port 4242 mtu 1400");
    CHECK(host.tables.dump().find(row(peer)) != nullptr);

    host.withdraw("link flannel-wg wireguard port 4242 mtu 1400");
    CHECK(host.tables.dump().to_string() ==
          "link wg-other wireguard port 51830 mtu 1420\n"
          "peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed "
          "10.244.3.0/24 dev wg-other\n");
}

TEST_CASE("the WireGuard peer with the longest allowed prefix has the packet", "[forwarding]") {
    Host host;
    host.install(R"(
        link flannel-wg wireguard port 51820 mtu 1420
        peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= endpoint 192.0.2.2:51820 allowed 10.244.0.0/16 dev flannel-wg
        peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.3:51820 allowed 10.244.3.0/24 dev flannel-wg)");
    const LinkIndex link = host.tables.find_link("flannel-wg");

    CHECK(host.tables.wireguard_peer(link, ip("10.244.3.9"))->endpoint == ip("192.0.2.3"));
    CHECK(host.tables.wireguard_peer(link, ip("10.244.4.9"))->endpoint == ip("192.0.2.2"));
    CHECK(host.tables.wireguard_peer(link, ip("10.245.0.1")) == nullptr);
}

TEST_CASE("a device that comes back has its old index and none of its rows", "[forwarding]") {
    Host host;
    host.install(vxlan_device);
    const LinkIndex index = host.tables.find_link("flannel.1");
    host.install("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1");
    host.withdraw(vxlan_device);

    host.install(vxlan_device);

    CHECK(host.tables.find_link("flannel.1") == index);
    CHECK(host.tables.own_row_count() == 1);
}

TEST_CASE("a changed MTU or MAC keeps the rows on a device, a changed VNI does not",
          "[forwarding]") {
    struct Case {
        std::string_view link;
        bool kept;
    };
    const auto [link, kept] = GENERATE(values<Case>({
        {"link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1400 mac "
         "02:00:00:00:00:77",
         true},
        {"link flannel.1 vxlan vni 2 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac "
         "02:00:00:00:00:01",
         false},
        {"link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 4789 mtu 1450 mac "
         "02:00:00:00:00:01",
         false},
    }));
    INFO(link);
    Host host;
    host.install(vxlan_device);
    host.install("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1");

    host.install(link);

    CHECK(host.tables.own_row_count() == (kept ? 2 : 1));
    CHECK(to_string(host.tables.dump().rows().front()) == link);
}

TEST_CASE("the newest SA of a tunnel is used, the older one after it is gone", "[forwarding]") {
    Host host;
    const Ipv4Address here = ip("192.0.2.1");
    const Ipv4Address there = ip("192.0.2.2");
    CHECK(host.tables.outbound_sa(here, there, 11) == nullptr);
    host.install(R"(
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000002 reqid 11 encap 4500
        sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000003 reqid 12
    )");

    REQUIRE(host.tables.outbound_sa(here, there, 11) != nullptr);
    CHECK(host.tables.outbound_sa(here, there, 11)->spi == 0xc0000002);
    CHECK(host.tables.outbound_sa(here, there, 11)->encap_port == 4500);
    CHECK(host.tables.outbound_sa(there, here, 11) == nullptr);
    CHECK(host.tables.has_inbound_sa(there, 0xc0000001));
    CHECK_FALSE(host.tables.has_inbound_sa(here, 0xc0000001));

    host.withdraw("sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000002 reqid 11");
    CHECK(host.tables.outbound_sa(here, there, 11)->spi == 0xc0000001);
    host.withdraw("sa 192.0.2.1 -> 192.0.2.2 spi 0xc0000001 reqid 11");
    CHECK(host.tables.outbound_sa(here, there, 11) == nullptr);
    CHECK_FALSE(host.tables.has_inbound_sa(there, 0xc0000001));
    CHECK(host.tables.outbound_sa(here, there, 12)->spi == 0xc0000003);
}

TEST_CASE("a policy is found by its selectors, the longest destination first", "[forwarding]") {
    Host host;
    host.install(R"(
        policy out 10.244.1.0/24 -> 10.244.0.0/16 tunnel 192.0.2.1 -> 192.0.2.9 reqid 11
        policy out 10.244.1.0/24 -> 10.244.2.0/24 tunnel 192.0.2.1 -> 192.0.2.2 reqid 11
        policy fwd 10.244.2.0/24 -> 10.244.1.0/24 tunnel 192.0.2.2 -> 192.0.2.1 reqid 11
    )");
    struct Case {
        PolicyRow::Direction direction;
        std::string_view source, destination, tunnel;
    };
    using Direction = PolicyRow::Direction;
    const auto [direction, source, destination, tunnel] = GENERATE(values<Case>({
        {Direction::out, "10.244.1.5", "10.244.2.5", "192.0.2.2"},
        {Direction::out, "10.244.1.5", "10.244.3.5", "192.0.2.9"},
        {Direction::out, "10.244.2.5", "10.244.1.5", ""},
        {Direction::fwd, "10.244.2.5", "10.244.1.5", "192.0.2.1"},
        {Direction::in, "10.244.2.5", "10.244.1.5", ""},
        {Direction::out, "10.244.1.5", "10.245.0.1", ""},
    }));
    INFO(source << " to " << destination);

    const PolicyEntry* found = host.tables.policy(direction, ip(source), ip(destination));

    CHECK((found == nullptr ? "" : found->tunnel_destination.to_string()) == tunnel);
}

TEST_CASE("every change moves the generation on", "[forwarding]") {
    Host host;
    std::uint64_t last = host.tables.generation();
    const auto moved = [&] { return std::exchange(last, host.tables.generation()) != last; };

    host.install(vxlan_device);
    CHECK(moved());
    host.install("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1");
    CHECK(moved());
    CHECK_FALSE(host.tables.install(row("route 10.244.2.0/24 dev flannel.9")).has_value());
    CHECK_FALSE(moved());
    host.withdraw(vxlan_device);
    CHECK(moved());
}
