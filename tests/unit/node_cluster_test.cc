// Whole clusters: store, leases, nodes and tables, and packets that walk between all pods.
#include <set>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/node_cluster.h"

using namespace overlab;
using namespace overlab::test;

namespace {

const std::string vxlan = network_config(R"({"Type":"vxlan"})");
const std::string direct = network_config(R"({"Type":"vxlan","DirectRouting":true})");
const std::string udp = network_config(R"({"Type":"udp"})");
const std::string host_gw = network_config(R"({"Type":"host-gw"})");

std::size_t distinct_subnets(const NodeCluster& cluster) {
    std::set<LeaseSubnet> subnets;
    for (const auto& host : cluster.hosts) subnets.insert(host->node->held()->lease->subnet);
    return subnets.size();
}

std::size_t rows_of(const NodeCluster& cluster, std::size_t host) {
    return cluster.hosts[host]->stack.tables().own_row_count();
}

}  // namespace

TEST_CASE("hosts that start together all reach each other", "[node]") {
    const std::string& config = GENERATE(std::cref(vxlan), std::cref(direct), std::cref(udp));
    NodeCluster cluster(config, 12, 3);

    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    CHECK(distinct_subnets(cluster) == 15);
    CHECK(cluster.hosts_are_as_planned());
    CHECK(cluster.failures().empty());
}

TEST_CASE("DirectRouting tunnels only to peers behind a router", "[node]") {
    NodeCluster cluster(direct, 3, 2);
    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    // A device with its address; a route to each of 2 near peers; three rows to each of 2 far ones.
    CHECK(rows_of(cluster, 0) == 2 + 2 + 3 * 2);
}

TEST_CASE("host-gw reaches its segment, and says whom it does not reach", "[node]") {
    NodeCluster cluster(host_gw, 3, 1);
    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    CHECK(cluster.failures() ==
          "host-1 to host-4: no_route\n"
          "host-2 to host-4: no_route\n"
          "host-3 to host-4: no_route\n"
          "host-4 to host-1: no_route\n"
          "host-4 to host-2: no_route\n"
          "host-4 to host-3: no_route\n");
    for (const auto& host : cluster.hosts) {
        const bool is_far = host->stack.facts().name == "host-4";
        CHECK(host->node->unsupported_peers().size() == (is_far ? 3 : 1));
    }
}

TEST_CASE("a host that dies for good leaves its peers' tables when its lease ends", "[node]") {
    NodeCluster cluster(vxlan, 4, 0);
    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    cluster.hosts[3]->node->stop();
    (void)cluster.runtime.run_for(minutes(11));

    CHECK(rows_of(cluster, 0) == 2 + 3 * 2);
    CHECK(cluster.hosts[0]->node->peer_count() == 2);
}

TEST_CASE("a host cut off from the store past its lease gets back into the cluster", "[node]") {
    NodeCluster cluster(vxlan, 4, 0);
    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    cluster.hosts[0]->kv.set_connected(false);
    (void)cluster.runtime.run_for(minutes(30));
    CHECK(cluster.hosts[0]->node->state() == NodeState::acquiring);
    CHECK(rows_of(cluster, 0) == 2 + 3 * 3);  // what it knew is still there
    CHECK(cluster.hosts[1]->node->peer_count() == 2);
    cluster.hosts[0]->kv.set_connected(true);

    REQUIRE(cluster.converges(minutes(2)));
    CHECK(cluster.hosts_are_as_planned());
    CHECK(cluster.failures().empty());
}

TEST_CASE("agents that restart one by one keep subnets and lose no packet", "[node]") {
    NodeCluster cluster(vxlan, 4, 1);
    cluster.start_all();
    REQUIRE(cluster.converges(minutes(1)));

    for (std::size_t i = 0; i < cluster.hosts.size(); ++i) {
        const LeaseSubnet before = cluster.hosts[i]->node->held()->lease->subnet;
        for (const auto& host : cluster.hosts) host->stack.log.clear();
        cluster.hosts[i]->node->stop();
        cluster.start(i);
        REQUIRE(cluster.converges(minutes(1)));

        CHECK(cluster.hosts[i]->node->held()->lease->subnet == before);
        for (const auto& host : cluster.hosts) CHECK(host->stack.log.empty());
    }
    CHECK(cluster.failures().empty());
}
