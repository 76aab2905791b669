// Whatever faults overlap: the target is told each thing in turns, and all is well after the last.
#include "models/fault/fault_player.h"

#include "tests/support/property.h"
#include "tests/support/recording_target.h"
#include "tests/support/virtual_runtime.h"

using namespace overlab;
using namespace overlab::test;

namespace {

constexpr std::size_t host_count = 3;

FaultSpec any_fault() {
    FaultSpec fault;
    fault.kind =
        static_cast<FaultSpec::Kind>(*rc::gen::inRange<std::size_t>(0, fault_kind_names.size()));
    fault.at = seconds(*rc::gen::inRange(0, 12));
    if (!is_instant(fault.kind)) fault.lasts = seconds(*rc::gen::inRange(0, 6));
    for (std::size_t host = 0; host < host_count; ++host) {
        if (*rc::gen::arbitrary<bool>()) fault.hosts.push_back(host);
    }
    fault.link = *rc::gen::inRange<std::size_t>(0, 2);
    fault.change.loss_ppb = *rc::gen::inRange(0U, 3U);
    if (*rc::gen::arbitrary<bool>()) fault.change.mtu = 1400;
    fault.drift_ppm = *rc::gen::inRange(-600'000, 600'000);
    fault.destination = *Ipv4Prefix::parse("10.1.2.0/24");
    fault.via = *rc::gen::inRange<std::size_t>(0, host_count);
    fault.psk = "new";
    return fault;
}

Scenario any_scenario() {
    Scenario scenario;
    for (const char* name : {"h1", "h2", "h3"}) scenario.underlay.nodes.push_back({.name = name});
    scenario.underlay.links.resize(2);
    scenario.network_json = R"({"Backend":{"Type":"ipsec","PSK":"old"}})";
    const int count = *rc::gen::inRange(1, 12);
    for (int i = 0; i < count; ++i) scenario.faults.push_back(any_fault());
    std::ranges::stable_sort(scenario.faults, {}, &FaultSpec::at);
    return scenario;
}

}  // namespace

TEST_CASE("after any set of faults everything is on, told in turns") {
    holds([] {
        const Scenario scenario = any_scenario();
        VirtualRuntime runtime;
        RecordingTarget target(runtime);
        FaultPlayer player(runtime, scenario, target, {});
        player.start({});

        RC_ASSERT(runtime.run_all());

        RC_ASSERT(target.wrongs == std::vector<std::string>{});
        RC_ASSERT(target.off == std::set<std::string>{});
        RC_ASSERT(target.groups.empty());
        for (const auto& [link, change] : target.changes) RC_ASSERT(change == LinkChange{});
        for (const auto& [host, drift] : target.drifts) RC_ASSERT(drift == 0);
        RC_ASSERT(player.all_healed());
        for (std::size_t host = 0; host < host_count; ++host) RC_ASSERT(player.agent_wanted(host));
    });
}
