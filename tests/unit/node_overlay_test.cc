#include "models/node/overlay_node.h"

#include <string>
#include <string_view>

#include "tests/support/catch.h"
#include "tests/support/node_lab.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

std::string three_rows(unsigned n) {
    return fmt::format(
        "neigh 10.244.{0}.0 lladdr 02:00:00:00:00:{0:02x} dev flannel.1\n"
        "fdb 02:00:00:00:00:{0:02x} dst 192.0.2.{0} dev flannel.1\n"
        "route 10.244.{0}.0/24 via 10.244.{0}.0 dev flannel.1 onlink\n",
        n);
}

/// Rows of the peers, without the device and its address.
std::string peer_rows(const NodeLab& lab) {
    std::string text;
    for (const Row& row : lab.stack.tables().dump().rows()) {
        if (!std::holds_alternative<LinkRow>(row) && !std::holds_alternative<AddressRow>(row)) {
            text += to_string(row) + '\n';
        }
    }
    return text;
}

std::string device_mac(const NodeLab& lab) {
    return std::get<LinkRow>(lab.stack.tables().dump().rows().at(0)).mac.to_string();
}

}  // namespace

TEST_CASE("a node goes from configuration to lease to rows", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));

    REQUIRE(lab.converge());

    CHECK(lab.observer.states == "waiting_for_config acquiring running ");
    CHECK(lab.observer.mtu == 1450);
    CHECK(lab.node->overlay_mtu() == 1450);
    CHECK(lab.own_subnet() == "10.244.1.0/24");
    CHECK(lab.node->peer_count() == 1);
    CHECK(peer_rows(lab) == lines(three_rows(5)));
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("a node publishes its address and the MAC of its device", "[node]") {
    NodeLab lab;
    REQUIRE(lab.converge());

    const LeaseAttributes& says = lab.leases.leases().at(subnet(1))->attributes;

    CHECK(says == vxlan_attributes("192.0.2.1", device_mac(lab)));
}

TEST_CASE("the VTEP MAC depends on seed and host name alone", "[node]") {
    const auto mac = [](std::uint64_t seed, std::string name) {
        NodeLab lab;
        lab.stack.changeable_facts().name = std::move(name);
        REQUIRE(lab.converge({.seed = seed}));
        return device_mac(lab);
    };

    CHECK(mac(1, "host-1") == mac(1, "host-1"));
    CHECK(mac(1, "host-1") != mac(2, "host-1"));
    CHECK(mac(1, "host-1") != mac(1, "host-2"));
}

TEST_CASE("without a configuration a node asks again each second", "[node]") {
    NodeLab lab;
    lab.leases.config_text.reset();
    lab.start();
    lab.pass(seconds(10));
    CHECK(lab.node->state() == NodeState::waiting_for_config);
    CHECK(lab.observer.remarks.size() == 1);  // said once, not each second
    CHECK(lab.node->plan_all() == ForwardingState{});

    lab.leases.config_text = network_config(R"({"Type":"vxlan"})");
    lab.pass(milliseconds(1100));

    CHECK(lab.node->converged());
}

TEST_CASE("a configuration that cannot be used is said and waited out", "[node]") {
    struct Case {
        const char* what;
        std::string config;
        const char* remark;
    };
    const auto each = GENERATE(values<Case>({
        {"no JSON", "{", "network configuration"},
        {"no network", R"({"Backend":{"Type":"vxlan"}})", "network configuration: /Network"},
        {"a backend that is not planned", network_config(R"({"Type":"extension"})"),
         "backend extension: not planned"},
        {"a backend that this world does not do", network_config(R"({"Type":"wireguard"})"),
         "wireguard: host-1 has no WireGuard key"},
    }));
    INFO(each.what);
    NodeLab lab;
    lab.stack.changeable_facts().wireguard_public_key.clear();
    lab.leases.config_text = each.config;
    lab.start();
    lab.pass(seconds(5));
    CHECK(lab.node->state() == NodeState::waiting_for_config);
    CHECK(lab.observer.has_remark(each.remark));

    lab.leases.config_text = network_config(R"({"Type":"vxlan"})");

    CHECK(lab.settles());
}

TEST_CASE("filter rules come with the subnet and go with the option", "[node]") {
    NodeLab lab;
    NodeOptions options;
    options.filter = {.masquerade = true, .forward = true};
    REQUIRE(lab.converge(options));
    const std::string subnet = lab.node->held()->lease->subnet.v4.to_string();

    const std::string held = lab.held();
    CHECK_THAT(held, Catch::Contains("filter forward 10.244.0.0/16\nfilter masquerade "
                                     "10.244.0.0/16 subnet " +
                                     subnet + " fully-random\n"));
    lab.node->stop();
    REQUIRE(lab.converge());

    CHECK_THAT(lab.held(), !Catch::Contains("filter"));
}

TEST_CASE("the first snapshot goes to the host as one batch, routes last", "[node]") {
    NodeLab lab;
    for (unsigned n = 2; n < 200; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));

    REQUIRE(lab.converge());

    CHECK(lab.stack.batches == 2);  // the device, then everything
    CHECK(lab.stack.installed == 2 + 3 * 198);
    bool routes_began = false;
    bool others_after = false;
    for (const RowChange& change : lab.stack.log) {
        const bool route = std::holds_alternative<RouteRow>(change.row);
        routes_began |= route;
        others_after |= routes_began && !route;
    }
    CHECK(routes_began);
    CHECK_FALSE(others_after);
}

TEST_CASE("one peer more or less costs its own rows only", "[node]") {
    NodeLab lab;
    for (unsigned n = 2; n < 100; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge());
    lab.stack.log.clear();

    lab.leases.put(subnet(200), vxlan_attributes(200));
    lab.pass(milliseconds(10));
    CHECK(lines(lab.stack.log) ==
          "+ neigh 10.244.200.0 lladdr 02:00:00:00:00:c8 dev flannel.1\n"
          "+ fdb 02:00:00:00:00:c8 dst 192.0.2.200 dev flannel.1\n"
          "+ route 10.244.200.0/24 via 10.244.200.0 dev flannel.1 onlink\n");

    lab.stack.log.clear();
    lab.leases.remove(subnet(200));
    lab.pass(milliseconds(10));
    CHECK(lines(lab.stack.log) ==
          "- route 10.244.200.0/24 via 10.244.200.0 dev flannel.1 onlink\n"
          "- fdb 02:00:00:00:00:c8 dst 192.0.2.200 dev flannel.1\n"
          "- neigh 10.244.200.0 lladdr 02:00:00:00:00:c8 dev flannel.1\n");
}

TEST_CASE("a peer's new MAC leaves no FDB row of the old one behind", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    lab.stack.log.clear();

    lab.leases.put(subnet(5), vxlan_attributes("192.0.2.5", "02:00:00:00:00:55"));
    lab.pass(milliseconds(10));

    CHECK(lines(lab.stack.log) ==
          "- fdb 02:00:00:00:00:05 dst 192.0.2.5 dev flannel.1\n"
          "+ neigh 10.244.5.0 lladdr 02:00:00:00:00:55 dev flannel.1\n"
          "+ fdb 02:00:00:00:00:55 dst 192.0.2.5 dev flannel.1\n");
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("a peer's renewal touches no row", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    lab.stack.log.clear();

    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.pass(seconds(1));

    CHECK(lab.stack.log.empty());
}

TEST_CASE("after falling behind a node applies what differs and nothing else", "[node]") {
    NodeLab lab;
    for (unsigned n = 2; n < 12; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge());
    lab.stack.log.clear();

    lab.leases.remove_unseen(subnet(3));
    lab.leases.put_unseen(subnet(4), vxlan_attributes("192.0.2.44", "02:00:00:00:00:04"));
    lab.leases.send_snapshot();
    lab.pass(milliseconds(10));

    CHECK(lines(lab.stack.log) ==
          "- route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink\n"
          "- fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel.1\n"
          "- neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1\n"
          "+ fdb 02:00:00:00:00:04 dst 192.0.2.44 dev flannel.1\n");
}

TEST_CASE("an agent that starts again touches no right row and removes stale ones", "[node]") {
    NodeLab lab;
    for (unsigned n = 2; n < 12; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge());
    const std::string mac = device_mac(lab);
    lab.node->stop();
    lab.leases.remove(subnet(7));
    lab.pass(seconds(1));
    CHECK_THAT(lab.held(), Catch::Contains("10.244.7.0"));  // nobody acts for a dead agent
    lab.stack.log.clear();

    REQUIRE(lab.converge({.seed = 99}));

    CHECK(device_mac(lab) == mac);
    CHECK(lines(lab.stack.log) ==
          "- route 10.244.7.0/24 via 10.244.7.0 dev flannel.1 onlink\n"
          "- fdb 02:00:00:00:00:07 dst 192.0.2.7 dev flannel.1\n"
          "- neigh 10.244.7.0 lladdr 02:00:00:00:00:07 dev flannel.1\n");
    CHECK(lab.own_subnet() == "10.244.1.0/24");
}

TEST_CASE("a device of another VNI or address is not reused", "[node]") {
    NodeLab lab;
    REQUIRE(lab.stack.tables()
                .install(row("link flannel.1 vxlan vni 1 local 192.0.2.99 dev eth0 port 8472 mtu "
                             "1450 mac 02:00:00:00:00:99"))
                .has_value());
    lab.leases.put(subnet(5), vxlan_attributes(5));

    REQUIRE(lab.converge());

    CHECK(device_mac(lab) != "02:00:00:00:00:99");
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("a stopped node leaves rows and lease as they are and acts no more", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    const std::string before = lab.held();

    lab.node->stop();
    lab.leases.remove(subnet(5));
    lab.pass(hours(48));

    CHECK(lab.node->state() == NodeState::stopped);
    CHECK(lab.held() == before);
    CHECK(lab.leases.leases().contains(subnet(1)));
    CHECK(lab.leases.renewals == 0);
    CHECK_FALSE(lab.node->converged());
}

TEST_CASE("a node may be destroyed while answers are under way", "[node]") {
    NodeLab lab;
    lab.start();
    lab.pass(microseconds(1500));  // the configuration is here, the lease is not

    lab.node.reset();

    lab.pass(seconds(1));
    CHECK(lab.held().empty());
}

TEST_CASE("entries that are no leases are said and harm nobody", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());

    lab.leases.send_malformed("key `garbage`: no subnet");
    lab.pass(milliseconds(10));

    CHECK(lab.observer.has_remark("ignored in the store: key `garbage`: no subnet"));
    CHECK(peer_rows(lab) == lines(three_rows(5)));
}

TEST_CASE("a peer that cannot be planned for is said once, with the reason", "[node]") {
    NodeLab lab(R"({"Type":"host-gw"})");
    lab.leases.put(subnet(5), plain_attributes("host-gw", "192.0.2.5"));
    lab.leases.put(subnet(6), plain_attributes("host-gw", "198.51.100.6"));
    REQUIRE(lab.converge());

    const char* reason = "host-gw: peer behind a router (198.51.100.6 is not on eth0's segment)";
    const auto unsupported = lab.node->unsupported_peers();
    REQUIRE(unsupported.size() == 1);
    CHECK(unsupported[0].first == subnet(6));
    CHECK(unsupported[0].second == reason);
    lab.leases.send_snapshot();
    lab.pass(minutes(2));
    CHECK(std::ranges::count(lab.observer.remarks, fmt::format("peer 10.244.6.0/24: {}", reason)) ==
          1);
    CHECK(peer_rows(lab) == "route 10.244.5.0/24 via 192.0.2.5 dev eth0\n");
}

TEST_CASE("a peer in another VNI is said once, whenever it came", "[node]") {
    LeaseAttributes other = vxlan_attributes(5);
    other.backend_data = R"({"VNI":7,"VtepMAC":"02:00:00:00:00:05"})";
    const bool before_start = GENERATE(true, false);
    NodeLab lab;
    if (!before_start) REQUIRE(lab.converge());
    lab.leases.put(subnet(5), other);
    if (before_start) REQUIRE(lab.converge());
    lab.pass(milliseconds(10));

    lab.leases.send_snapshot();
    lab.pass(minutes(2));

    CHECK(
        std::ranges::count(lab.observer.remarks,
                           "peer 10.244.5.0/24: vxlan: peer uses VNI 7, this host 1: it will drop "
                           "our packets") == 1);
}

TEST_CASE("an IPv6 network is planned for IPv4 only, and a person is told", "[node]") {
    NodeLab lab;
    lab.leases.config_text =
        R"({"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"2001:db8::/48",)"
        R"("Backend":{"Type":"vxlan"}})";

    REQUIRE(lab.converge());

    CHECK(lab.observer.has_remark("only the IPv4 parts of leases are planned"));
}
