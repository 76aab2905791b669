// Pods come with the lease and go with it.
#include "real/lab/lab.h"
#include "real/netlink/links.h"
#include "tests/support/kernel_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

const std::vector<std::string> none;

Scenario three_pods() {
    return scenario_with(
        R"({"nodes": [{"name": "h1"}, {"name": "h2"}, {"name": "s", "kind": "switch"}],
            "links": [{"ends": ["h1", "s"]}, {"ends": ["h2", "s"]}]})",
        R"([{"name": "a", "host": "h1"}, {"name": "b", "host": "h2"},
            {"name": "c", "host": "h1"}, {"name": "d", "host": "h1"}])");
}

Ipv4Prefix prefix(const char* text) { return Ipv4Prefix::parse(text).value(); }

/// What the host itself answers to, too.
std::vector<Speaker> with_bridge(std::vector<Speaker> pods, const Lab& lab, Ipv4Address address) {
    pods.push_back({"bridge", &lab.node(0), address});
    return pods;
}

}  // namespace

TEST_CASE("pods have the subnet's addresses from .2 on, in scenario order", "[lab]") {
    const Scenario scenario = three_pods();
    OVERLAB_LAB(lab, scenario, {});
    CHECK(lab->pod_address(0).is_unspecified());

    REQUIRE(lab->set_up_pods(0, prefix("10.244.7.0/24"), 1450));

    CHECK(lab->pod_address(0).to_string() == "10.244.7.2");
    CHECK(lab->pod_address(1).is_unspecified());
    CHECK(lab->pod_address(2).to_string() == "10.244.7.3");
    CHECK(lab->pod_address(3).to_string() == "10.244.7.4");
    std::vector<Speaker> pods = pods_of(scenario, *lab);
    pods.erase(pods.begin() + 1);
    CHECK(unreachable(with_bridge(pods, *lab, prefix("10.244.7.0/24").at(1))) == none);
    CHECK(Links::open(lab->pod(0)).value().facts("eth0").value().mtu == 1450);
    CHECK(Links::open(lab->node(0)).value().facts("cni0").value().mtu == 1450);
}

TEST_CASE("a new lease moves the pods, old addresses go", "[lab]") {
    const Scenario scenario = three_pods();
    OVERLAB_LAB(lab, scenario, {});
    REQUIRE(lab->set_up_pods(0, prefix("10.244.7.0/24"), 1450));

    REQUIRE(lab->set_up_pods(0, prefix("10.244.7.0/24"), 1400));  // only the MTU
    REQUIRE(lab->set_up_pods(0, prefix("10.244.64.0/22"), 8950));

    std::vector<Speaker> pods = pods_of(scenario, *lab);
    pods.erase(pods.begin() + 1);
    CHECK(pods[0].address.to_string() == "10.244.64.2");
    CHECK(unreachable(with_bridge(pods, *lab, prefix("10.244.64.0/22").at(1))) == none);
    CHECK(Links::open(lab->pod(0)).value().facts("eth0").value().mtu == 8950);
    const NetnsScope scope(lab->pod(0));
    const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
    const sockaddr_in old = socket_address(prefix("10.244.7.0/24").at(2), 0);
    CHECK(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&old), sizeof old) != 0);
}

TEST_CASE("pods reach other hosts by their default route, once hosts know the way", "[lab]") {
    const Scenario scenario = three_pods();
    OVERLAB_LAB(lab, scenario, {});
    REQUIRE(lab->set_up_pods(0, prefix("10.244.1.0/24"), 1500));
    REQUIRE(lab->set_up_pods(1, prefix("10.244.2.0/24"), 1500));
    for (const NodeIndex host : {NodeIndex{0}, NodeIndex{1}}) {
        Links links = Links::open(lab->node(host)).value();
        const NextHop via{.link = "eth0", .gateway = lab->facts(1 - host).external_address};
        REQUIRE(links.set_route(host == 0 ? prefix("10.244.2.0/24") : prefix("10.244.1.0/24"),
                                std::span(&via, 1)));
    }

    CHECK(unreachable(pods_of(scenario, *lab)) == none);
}

TEST_CASE("a subnet without room for the pods is refused", "[lab]") {
    const Scenario scenario = three_pods();
    OVERLAB_LAB(lab, scenario, {});

    const auto done = lab->set_up_pods(0, prefix("10.244.7.0/30"), 1450);

    REQUIRE_FALSE(done);
    CHECK(done.error().what ==
          "host h1: its subnet 10.244.7.0/30 is too small for its 3 pods; use a shorter SubnetLen");
}
