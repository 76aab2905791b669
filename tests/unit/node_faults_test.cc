// A host and a daemon that refuse, lose rows, or cannot be read.
#include <string>

#include "models/node/overlay_node.h"
#include "models/node/reconciler.h"
#include "tests/support/catch.h"
#include "tests/support/node_lab.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

bool is_route(const RowChange& change) { return std::holds_alternative<RouteRow>(change.row); }

}  // namespace

TEST_CASE("a row that the host refuses is tried again until it goes in", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.stack.refuses = is_route;
    lab.start({.retry_min = milliseconds(100), .retry_max = seconds(4)});
    lab.pass(seconds(20));
    CHECK_FALSE(lab.node->converged());
    CHECK(lab.observer.has_remark("fault injected"));
    // 100 ms, 200 ms, ... 4 s, 4 s: about ten attempts, not two hundred.
    CHECK(lab.observer.failed >= 8);
    CHECK(lab.observer.failed <= 12);

    lab.stack.refuses = nullptr;
    REQUIRE(lab.settles(seconds(5)));

    CHECK(lab.host_is_as_planned());
}

TEST_CASE("rows that the plan no longer wants are not tried again", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.stack.refuses = is_route;
    lab.start();
    lab.pass(seconds(1));
    REQUIRE_FALSE(lab.node->converged());

    lab.stack.refuses = nullptr;
    lab.leases.remove(subnet(5));
    lab.pass(milliseconds(2));

    CHECK(lab.node->converged());
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("an audit repairs what somebody did to the host", "[node]") {
    struct Case {
        const char* what;
        const char* change;  ///< '-' or '+' and a row
    };
    const auto each = GENERATE(values<Case>({
        {"a route was deleted", "-route 10.244.5.0/24 dev flannel.1"},
        {"an FDB row was deleted", "-fdb 02:00:00:00:00:05 dst 192.0.2.5 dev flannel.1"},
        {"a neighbour was changed", "+neigh 10.244.5.0 lladdr 02:00:00:00:00:77 dev flannel.1"},
        {"a route was added", "+route 10.244.77.0/24 via 10.244.77.0 dev flannel.1 onlink"},
        {"the device was deleted", "-link flannel.1 tun local 192.0.2.1 port 1 mtu 1"},
        {"the device was made anew with another VNI",
         "+link flannel.1 vxlan vni 9 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac "
         "02:00:00:00:00:01"},
        {"a device's MTU was changed",
         "+link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1500 mac "
         "02:00:00:00:00:01"},
    }));
    INFO(each.what);
    NodeLab lab;
    for (unsigned n = 5; n < 9; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge({.audit_interval = seconds(30)}));
    const Row changed = row(each.change + 1);
    const bool add = *each.change == '+';
    REQUIRE((add ? lab.stack.tables().install(changed) : lab.stack.tables().withdraw(changed)));
    REQUIRE_FALSE(lab.host_is_as_planned());

    lab.pass(seconds(31));

    CHECK(lab.host_is_as_planned());
}

TEST_CASE("rows that go with a device that has to be made anew come back at once", "[node]") {
    NodeLab lab;
    for (unsigned n = 5; n < 9; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge());
    // Somebody made the device anew on another port and put every row back.
    const ForwardingState right = lab.stack.tables().dump();
    LinkRow device = std::get<LinkRow>(right.rows().front());
    device.port = 4789;
    REQUIRE(lab.stack.tables().install(device).has_value());
    for (const Row& each : right.rows()) {
        if (!std::holds_alternative<LinkRow>(each)) {
            REQUIRE(lab.stack.tables().install(each).has_value());
        }
    }

    lab.pass(seconds(31));  // one audit

    CHECK(lab.stack.tables().dump() == right);
}

TEST_CASE("a failed row that a fresh snapshot no longer has is forgotten", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.stack.refuses = is_route;
    lab.start();
    lab.pass(milliseconds(50));
    REQUIRE_FALSE(lab.node->converged());

    lab.leases.remove_unseen(subnet(5));
    lab.leases.send_snapshot();
    lab.pass(milliseconds(2));
    lab.stack.refuses = nullptr;
    lab.pass(seconds(20));

    CHECK(lab.node->converged());
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("an audit of a host in order changes nothing", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    lab.stack.log.clear();
    const std::size_t batches = lab.stack.batches;

    lab.pass(minutes(10));

    CHECK(lab.stack.log.empty());
    CHECK(lab.stack.batches == batches);
}

TEST_CASE("without audits drift stays", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge({.audit_interval = {}}));
    REQUIRE(lab.stack.tables().withdraw(row("route 10.244.5.0/24 dev flannel.1")).has_value());

    lab.pass(hours(1));

    CHECK_FALSE(lab.host_is_as_planned());
}

TEST_CASE("a call that fails, whichever it is, delays convergence and does not prevent it",
          "[node]") {
    const auto backend = GENERATE(R"({"Type":"vxlan"})", R"({"Type":"vxlan","DirectRouting":true})",
                                  R"({"Type":"udp"})", R"({"Type":"host-gw"})",
                                  R"({"Type":"ipip"})", R"({"Type":"wireguard"})", "ipsec");
    const auto runs = [&](std::string_view type) {
        return std::string_view(backend).find(type) != std::string_view::npos;
    };
    const auto attributes = [&](unsigned n) {
        const std::string address = fmt::format("192.0.2.{}", n);
        if (runs("vxlan")) return vxlan_attributes(n);
        if (runs("wireguard")) return wireguard_attributes(address, static_cast<std::uint8_t>(n));
        for (const char* type : {"ipsec", "host-gw", "ipip"}) {
            if (runs(type)) return plain_attributes(type, address);
        }
        return plain_attributes("", address);
    };
    const auto run = [&](NodeLab& lab) {
        if (std::string_view(backend) == "ipsec") lab.leases.config_text = ipsec_config();
        for (unsigned n = 5; n < 8; ++n) lab.leases.put(subnet(n), attributes(n));
        const bool converged = lab.converge();
        lab.leases.put(subnet(8), attributes(8));
        lab.leases.remove(subnet(6));
        return converged && lab.settles();
    };
    NodeLab whole(backend);
    REQUIRE(run(whole));
    const std::uint64_t calls = whole.faults.calls();
    REQUIRE(calls > 10);

    for (std::uint64_t k = 1; k <= calls; ++k) {
        INFO(backend << ", call " << k);
        NodeLab lab(backend);
        lab.faults.fail_call(k);

        REQUIRE(run(lab));
        lab.pass(minutes(1));  // a reach that could not be asked is asked again by the audit

        CHECK(lab.host_is_as_planned());
        CHECK(lab.stack.tables().dump().rows().size() == whole.stack.tables().dump().rows().size());
        CHECK(lab.ike.connections.size() == whole.ike.connections.size());
    }
}

TEST_CASE("a host that is out of order for a while is in order afterwards", "[node]") {
    NodeLab lab;
    for (unsigned n = 5; n < 20; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    REQUIRE(lab.converge());
    lab.stack.refuses = [](const RowChange&) { return true; };

    for (unsigned n = 5; n < 20; n += 2) lab.leases.remove(subnet(n));
    for (unsigned n = 40; n < 60; ++n) lab.leases.put(subnet(n), vxlan_attributes(n));
    lab.leases.put(subnet(6), vxlan_attributes("192.0.2.66", "02:00:00:00:00:66"));
    lab.pass(minutes(10));
    CHECK_FALSE(lab.node->converged());
    lab.stack.refuses = nullptr;
    REQUIRE(lab.settles());

    CHECK(lab.host_is_as_planned());
}

TEST_CASE("ipsec's connections follow the leases", "[node]") {
    NodeLab lab;
    lab.leases.config_text = ipsec_config();
    lab.leases.put(subnet(5), plain_attributes("ipsec", "192.0.2.5"));
    REQUIRE(lab.converge());
    const std::string to_5 = "192.0.2.1-10.244.1.0/24-10.244.5.0/24-192.0.2.5";
    REQUIRE(lab.ike.connections.size() == 1);
    CHECK(lab.ike.connections.begin()->first == to_5);
    CHECK(lab.stack.tables().dump().rows().size() == 3);

    lab.leases.put(subnet(5), plain_attributes("ipsec", "192.0.2.55"));
    lab.pass(milliseconds(10));
    REQUIRE(lab.ike.connections.size() == 1);
    CHECK(lab.ike.connections.begin()->first == "192.0.2.1-10.244.1.0/24-10.244.5.0/24-192.0.2.55");

    lab.leases.remove(subnet(5));
    lab.pass(milliseconds(10));
    CHECK(lab.ike.connections.empty());
    CHECK(lab.held().empty());
}

TEST_CASE("an IKE daemon that forgot is told again; others' connections are left alone", "[node]") {
    NodeLab lab;
    lab.leases.config_text = ipsec_config();
    lab.leases.put(subnet(5), plain_attributes("ipsec", "192.0.2.5"));
    REQUIRE(lab.converge());
    lab.ike.connections.clear();
    lab.ike.connections["road-warrior"] = {};
    lab.ike.connections["192.0.2.1-10.244.1.0/24-10.244.9.0/24-192.0.2.9"] = {};

    lab.pass(seconds(31));

    CHECK(lab.ike.connections.size() == 2);
    CHECK(lab.ike.connections.contains("road-warrior"));
    CHECK(lab.ike.connections.contains("192.0.2.1-10.244.1.0/24-10.244.5.0/24-192.0.2.5"));
}

TEST_CASE("without an IKE daemon ipsec peers are unsupported, and a person is told", "[node]") {
    NodeLab lab;
    lab.leases.config_text = ipsec_config();
    lab.leases.put(subnet(5), plain_attributes("ipsec", "192.0.2.5"));
    lab.start({}, /*with_ike=*/false);
    REQUIRE(lab.settles());

    CHECK(lab.held().empty());
    CHECK(lab.observer.has_remark("peer 10.244.5.0/24: ipsec: there is no IKE daemon here"));
}
