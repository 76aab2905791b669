// Whole worlds: they converge, and a host that has nothing to do with the others does not change
// their luck.
#include <map>
#include <string>

#include "models/net/address.h"
#include "sim/sim_world.h"
#include "tests/support/two_hosts.h"

namespace overlab {
namespace {

using test::two_hosts;

/// two_hosts with a bystander that runs a node of its own; it sorts behind h2.
Scenario with_bystander(Scenario scenario) {
    auto& underlay = scenario.underlay;
    underlay.nodes.insert(underlay.nodes.begin() + 2, {.name = "h3", .address = {}});
    for (UnderlayLink& link : underlay.links) {
        link.b = 4;
        if (link.a == 2) link.a = 3;  // the store moved up
    }
    UnderlayLink joined = underlay.links[0];
    joined.name = "h3--sw";
    joined.a = 2;
    underlay.links.insert(underlay.links.begin() + 2, joined);
    scenario.store.host = 3;
    return scenario;
}

Scenario chatty(const std::string& backend) {
    Scenario scenario = two_hosts({.profile = "laptop", .backend = backend, .mtu = 1500});
    scenario.duration = seconds(2);
    scenario.boot_spread = milliseconds(50);
    scenario.traffic = {{.name = "bursts",
                         .from = 0,
                         .to = 1,
                         .kind = TrafficSpec::Kind::on_off,
                         .stop = {},
                         .rate_bps = 50'000'000,
                         .on = milliseconds(20),
                         .off = milliseconds(30)}};
    return scenario;
}

RunReport run(const Scenario& scenario) {
    auto report = sim::run(scenario, {.keep_forwarding = true});
    REQUIRE(report);
    return std::move(*report);
}

/// The line of a dump that describes the VXLAN device: it shows the MAC that the host drew.
std::string device_of(const RunReport& report, const std::string& host) {
    const std::string& dump = report.forwarding.at(host);
    return dump.substr(0, dump.find('\n'));
}

}  // namespace

TEST_CASE("every backend's world converges and carries traffic") {
    for (const std::string backend : {"host-gw", "vxlan", "ipsec", "udp"}) {
        INFO(backend);
        const RunReport report = run(chatty(backend));

        CHECK(report.converged_ns > 0);
        CHECK(report.converged_ns < seconds(1).ns);
        CHECK(report.unreachable.empty());
        CHECK(report.warnings.empty());
        CHECK(report.flows.at(0).packets_received > 1000);
        CHECK(report.flows.at(0).packets_lost == 0);
    }
}

TEST_CASE("a bystander host leaves the other hosts' random streams alone") {
    const RunReport without = run(chatty("vxlan"));
    const RunReport with = run(with_bystander(chatty("vxlan")));

    CHECK(device_of(with, "h1") == device_of(without, "h1"));
    CHECK(device_of(with, "h2") == device_of(without, "h2"));
    CHECK(with.flows.at(0).packets_sent == without.flows.at(0).packets_sent);
    CHECK(with.flows.at(0).series_bytes == without.flows.at(0).series_bytes);
}

TEST_CASE("another seed is another run") {
    Scenario scenario = chatty("vxlan");
    const RunReport one = run(scenario);
    scenario.seed = 2;
    const RunReport two = run(scenario);

    CHECK(device_of(one, "h1") != device_of(two, "h1"));
    CHECK(one.flows.at(0).packets_sent != two.flows.at(0).packets_sent);
}

TEST_CASE("a link that fails stops the traffic and lets it go on when it is back") {
    Scenario scenario = chatty("vxlan");
    scenario.traffic = {{.name = "steady",
                         .from = 0,
                         .to = 1,
                         .kind = TrafficSpec::Kind::udp,
                         .stop = {},
                         .rate_bps = 8'000'000,
                         .packet_bytes = 1000}};
    scenario.faults = {{.at = milliseconds(1200), .lasts = milliseconds(300), .link = 1}};

    const RunReport report = run(scenario);

    // 1000 packets a second: 300 are lost while the link is down, give or take what is on the wire.
    CHECK(report.flows.at(0).packets_lost >= 299);
    CHECK(report.flows.at(0).packets_lost <= 301);
    REQUIRE(report.timeline.size() == 2);
    CHECK(report.timeline[0].what == "link h2--sw down");
    CHECK(report.timeline[1].at_ns == milliseconds(1500).ns);
}

}  // namespace overlab
