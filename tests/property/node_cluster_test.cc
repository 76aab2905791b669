// Whole clusters under outages: first anything may happen, then nothing bad happens for a while;
// afterwards every host is as planned and all pods reach each other.
#include <set>
#include <string>

#include "tests/support/node_cluster.h"
#include "tests/support/property.h"

using namespace overlab;
using namespace overlab::test;

namespace {

int draw_below(int bound) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, bound)); }

void disturb(NodeCluster& cluster, std::size_t which) {
    ClusterHost& host = *cluster.hosts[which];
    switch (draw_below(6)) {
        case 0:
            host.kv.set_connected(false);
            break;
        case 1:
            host.kv.set_connected(true);
            break;
        case 2:
            host.node->stop();
            cluster.start(which);
            break;
        case 3:
            host.faults.fail_call(host.faults.calls() + 1 + static_cast<unsigned>(draw_below(9)));
            break;
        case 4:
            host.kv.fail_call(host.kv.calls() + 1, draw_below(2) == 0 ? CallFault::request_lost
                                                                      : CallFault::answer_lost);
            break;
        default:
            break;
    }
}

}  // namespace

TEST_CASE("when the trouble is over all pods reach each other", "[node]") {
    const std::string config = network_config(R"({"Type":"vxlan"})");
    test::holds(
        [&] {
            NodeCluster cluster(config, 4, 2);
            cluster.start_all();
            const int troubles = draw_below(30);
            for (int i = 0; i < troubles; ++i) {
                disturb(cluster, static_cast<std::size_t>(draw_below(6)));
                (void)cluster.runtime.run_for(milliseconds(1 << draw_below(20)));
            }
            for (const auto& host : cluster.hosts) {
                host->kv.set_connected(true);
                host->faults.heal();
            }
            RC_ASSERT(cluster.converges(minutes(30)));
            (void)cluster.runtime.run_for(seconds(31));  // one audit

            RC_ASSERT(cluster.hosts_are_as_planned());
            std::set<LeaseSubnet> subnets;
            for (const auto& host : cluster.hosts) {
                subnets.insert(host->node->held()->lease->subnet);
            }
            RC_ASSERT(subnets.size() == cluster.hosts.size());
            RC_ASSERT(cluster.failures() == "");
        },
        100);
}
