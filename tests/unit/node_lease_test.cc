// How a node keeps its lease, and what it does when it cannot.
#include <string>

#include "models/node/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/node_lab.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

TEST_CASE("a lease is renewed the margin before it would end", "[node]") {
    NodeLab lab;
    REQUIRE(lab.converge({.renew_margin = minutes(60)}));

    lab.pass(hours(22));
    CHECK(lab.leases.renewals == 0);
    lab.pass(hours(1) + seconds(1));
    CHECK(lab.leases.renewals == 1);
    lab.pass(hours(23) + seconds(1));
    CHECK(lab.leases.renewals == 2);
    CHECK(lab.observer.states == "waiting_for_config acquiring running ");
}

TEST_CASE("the margin is at most half the time to live", "[node]") {
    NodeLab lab;
    lab.leases.time_to_live = minutes(10);
    REQUIRE(lab.converge({.renew_margin = minutes(60)}));

    lab.pass(minutes(4) + seconds(50));
    CHECK(lab.leases.renewals == 0);
    lab.pass(seconds(20));
    CHECK(lab.leases.renewals == 1);
}

TEST_CASE("a renewal without an answer is tried again in time", "[node]") {
    NodeLab lab;
    lab.leases.time_to_live = minutes(10);
    REQUIRE(lab.converge());
    lab.faults.fail_from(lab.faults.calls() + 1);
    lab.pass(minutes(9));
    CHECK(lab.leases.renewals == 0);
    CHECK(lab.node->state() == NodeState::running);
    CHECK(lab.observer.has_remark("lease 10.244.1.0/24: not renewed"));

    lab.faults.heal();
    lab.pass(seconds(30));

    CHECK(lab.leases.renewals == 1);
    CHECK(lab.observer.states == "waiting_for_config acquiring running ");
}

TEST_CASE("a lease that nobody would renew before its end is given up", "[node]") {
    NodeLab lab;
    lab.leases.time_to_live = minutes(10);
    REQUIRE(lab.converge());
    lab.faults.fail_from(lab.faults.calls() + 1);

    lab.pass(minutes(11));

    CHECK(lab.node->state() == NodeState::acquiring);
    CHECK(lab.observer.has_remark("lease 10.244.1.0/24: lost"));
    lab.faults.heal();
    CHECK(lab.settles());
    CHECK(lab.own_subnet() == "10.244.1.0/24");
}

TEST_CASE("a lease that expired in the store is taken again without touching a row", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    const std::string before = lab.held();
    lab.stack.log.clear();

    lab.leases.remove(subnet(1));
    REQUIRE(lab.settles());

    CHECK(lab.observer.states == "waiting_for_config acquiring running acquiring running ");
    CHECK(lab.own_subnet() == "10.244.1.0/24");
    CHECK(lab.held() == before);
    CHECK(lab.stack.log.empty());
}

TEST_CASE("a lease that goes while its renewal is under way is noticed", "[node]") {
    NodeLab lab;
    lab.leases.time_to_live = minutes(10);
    REQUIRE(lab.converge());
    lab.leases.renewal_answer_after = seconds(2);
    lab.pass(minutes(5));
    REQUIRE(lab.leases.renewals == 1);  // done in the store, not answered yet

    lab.leases.remove(subnet(1));
    lab.pass(seconds(10));

    CHECK(lab.observer.states == "waiting_for_config acquiring running acquiring running ");
    CHECK(lab.leases.leases().contains(subnet(1)));
}

TEST_CASE("a lease missing from a fresh snapshot is noticed at once", "[node]") {
    NodeLab lab;
    REQUIRE(lab.converge());

    lab.leases.remove_unseen(subnet(1));
    lab.leases.send_snapshot();
    REQUIRE(lab.settles());

    CHECK(lab.observer.states == "waiting_for_config acquiring running acquiring running ");
    CHECK(lab.leases.leases().contains(subnet(1)));
}

TEST_CASE("a subnet that somebody else took is withdrawn and another one acquired", "[node]") {
    NodeLab lab;
    lab.leases.put(subnet(5), vxlan_attributes(5));
    REQUIRE(lab.converge());
    REQUIRE_THAT(lab.held(), Catch::Contains("addr 10.244.1.0/32 dev flannel.1"));

    lab.leases.put(subnet(1), vxlan_attributes(9));
    REQUIRE(lab.settles());

    CHECK(lab.own_subnet() == "10.244.2.0/24");
    CHECK_THAT(lab.held(), !Catch::Contains("addr 10.244.1.0/32"));
    CHECK_THAT(lab.held(), Catch::Contains("addr 10.244.2.0/32 dev flannel.1"));
    CHECK_THAT(lab.held(), Catch::Contains("route 10.244.1.0/24 via 10.244.1.0 dev flannel.1"));
    CHECK(lab.node->peer_count() == 2);
    CHECK(lab.host_is_as_planned());
    CHECK(lab.leases.leases().at(subnet(1))->attributes == vxlan_attributes(9));
}

TEST_CASE("while no other subnet is free the taken one stays withdrawn", "[node]") {
    NodeLab lab;
    lab.leases.config_text =
        R"({"Network":"10.244.0.0/16","SubnetMin":"10.244.1.0","SubnetMax":"10.244.1.0",)"
        R"("Backend":{"Type":"vxlan"}})";
    REQUIRE(lab.converge());

    lab.leases.put(subnet(1), vxlan_attributes(9));
    lab.pass(minutes(2));

    CHECK(lab.node->state() == NodeState::acquiring);
    CHECK(lab.held().empty());
    CHECK(lab.observer.has_remark("no lease yet: all subnets are taken"));

    lab.leases.remove(subnet(1));
    CHECK(lab.settles());
    CHECK(lab.own_subnet() == "10.244.1.0/24");
    CHECK(lab.host_is_as_planned());
}

TEST_CASE("a removal that is older than our lease does not shake it", "[node]") {
    // The key went and came back before the watch could say so.
    NodeLab lab;
    REQUIRE(lab.converge());
    const std::string states = lab.observer.states;

    lab.leases.put(subnet(77), vxlan_attributes(77));
    lab.leases.remove(subnet(77));
    lab.leases.send_snapshot();
    lab.pass(seconds(1));

    CHECK(lab.observer.states == states);
    CHECK(lab.node->converged());
}

TEST_CASE("the subnet of subnet.env is asked for again", "[node]") {
    NodeLab lab;

    REQUIRE(lab.converge({.previous_subnet = subnet(40)}));

    CHECK(lab.own_subnet() == "10.244.40.0/24");
}

TEST_CASE("a full network is waited out with growing pauses", "[node]") {
    NodeLab lab;
    lab.leases.config_text =
        R"({"Network":"10.244.0.0/16","SubnetMin":"10.244.5.0","SubnetMax":"10.244.5.0",)"
        R"("Backend":{"Type":"vxlan"}})";
    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.start({.retry_min = seconds(1), .retry_max = seconds(8)});
    lab.pass(seconds(60));
    // After 1, 2, 4, 8, 8, ... seconds: nine or ten attempts a minute, not sixty.
    CHECK(std::ranges::count(lab.observer.remarks, "no lease yet: all subnets are taken") <= 10);
    CHECK(lab.node->state() == NodeState::acquiring);

    lab.leases.remove(subnet(5));

    CHECK(lab.settles());
}
