#include "models/control/control_world.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "models/scenario/scenario.h"

namespace overlab {
namespace {

/// Three hosts on a switch, a pod each; `faults` as a JSON list.
Scenario scenario_with(const std::string& faults, const std::string& backend = "vxlan",
                       const std::string& duration = "10m") {
    const std::string key =
        backend == "ipsec" ? R"(, "PSK": "a-long-key-that-nobody-else-has-0123456789")" : "";
    const std::string text = fmt::format(
        R"({{
  "overlab": 1, "name": "three", "duration": "{}",
  "network": {{ "Network": "10.244.0.0/16", "Backend": {{ "Type": "{}"{} }} }},
  "underlay": {{
    "nodes": [ {{ "name": "h1" }}, {{ "name": "h2" }}, {{ "name": "h3" }}, {{ "name": "store" , "role": "store" }},
               {{ "name": "sw", "kind": "switch" }} ],
    "links": [ {{ "ends": ["h1", "sw"] }}, {{ "ends": ["h2", "sw"] }}, {{ "ends": ["h3", "sw"] }},
               {{ "ends": ["store", "sw"] }} ] }},
  "pods": [ {{ "name": "p1", "host": "h1" }}, {{ "name": "p2", "host": "h2" }}, {{ "name": "p3", "host": "h3" }} ],
  "faults": {} }})",
        duration, backend, key, faults);
    const ParsedScenario parsed =
        parse_scenario(text, "three.json", [](const std::string&) -> Result<std::string> {
            return fail(ErrorKind::not_found, "no includes");
        });
    for (const Problem& problem : parsed.problems) FAIL_CHECK(problem.to_string());
    REQUIRE(parsed.scenario.has_value());
    return *parsed.scenario;
}

struct Outcome {
    RunReport report;
    std::uint64_t digest = 0;
};

Outcome run(const Scenario& scenario, std::uint64_t seed = 1) {
    auto world = ControlWorld::build(scenario, seed);
    REQUIRE(world.has_value());
    (*world)->run();
    Outcome outcome{(*world)->report(true), (*world)->digest()};
    for (const ViolationReport& violation : outcome.report.violations) {
        UNSCOPED_INFO(violation.invariant << " " << violation.host << ": " << violation.what);
    }
    return outcome;
}

void check_healthy(const RunReport& report) {
    std::set<std::string> leases;
    for (const HostReport& host : report.hosts) {
        CHECK(!host.lease.empty());
        CHECK(host.converged_ns >= 0);
        leases.insert(host.lease);
    }
    CHECK(leases.size() == report.hosts.size());
    CHECK(report.violations.empty());
    for (const EventReport& event : report.timeline) {
        INFO(event.what);
        CHECK(event.what.find("refused") == std::string::npos);
    }
}

bool said(const RunReport& report, const std::string& text) {
    return std::ranges::any_of(report.timeline, [&](const EventReport& event) {
        return event.what.find(text) != std::string::npos;
    });
}

}  // namespace

TEST_CASE("control: every backend boots and converges") {
    for (const std::string backend :
         {"vxlan", "host-gw", "ipip", "udp", "ipsec", "wireguard"}) {
        INFO(backend);
        const Outcome outcome = run(scenario_with("[]", backend));

        check_healthy(outcome.report);
        CHECK(outcome.report.hosts.size() == 3);
        CHECK(outcome.report.world == "control");
        CHECK(outcome.report.virtual_time);
        CHECK(outcome.report.unreachable.empty());
        CHECK(outcome.report.forwarding.size() == 3);
    }
}

TEST_CASE("control: a cluster comes through each kind of fault") {
    const std::pair<const char*, const char*> faults[] = {
        {"link_down", R"("link": "h1--sw", "for": "40s")"},
        {"link_change", R"("link": "h1--sw", "for": "40s", "mtu": 1400)"},
        {"partition", R"("hosts": ["h1"], "for": "40s")"},
        {"host_crash", R"("hosts": ["h2"], "for": "40s")"},
        {"host_crash", R"("hosts": ["store"], "for": "40s")"},
        {"host_pause", R"("hosts": ["h2"], "for": "40s")"},
        {"agent_kill", R"("hosts": ["h2"], "for": "40s")"},
        {"store_unreachable", R"("hosts": ["h1", "h3"], "for": "40s")"},
        {"store_leader_loss", R"("for": "40s")"},
        {"store_compaction", ""},
        {"store_data_loss", ""},
        {"store_data_loss", R"("restore_from": "30s")"},
        {"clock_skew", R"("hosts": ["h1"], "for": "40s", "offset": "5m", "drift_ppm": 500)"},
        {"lease_expiry", R"("hosts": ["h1"])"},
        {"row_delete", R"("hosts": ["h1"], "row": "all")"},
        {"row_change", R"("hosts": ["h1"], "row": "fdb", "peer": "h2")"},
        {"foreign_route", R"("hosts": ["h1"], "for": "40s", "destination": "10.99.0.0/16", "via": "h2")"},
        {"vtep_mac", R"("hosts": ["h1"])"},
        {"store_write", R"("key": "subnets/nonsense", "value": "{}")"},
    };
    for (const auto& [kind, rest] : faults) {
        INFO(kind << " " << rest);
        const std::string fault = fmt::format(R"([{{ "kind": "{}", "at": "60s"{}{} }}])", kind,
                                              *rest == 0 ? "" : ", ", rest);
        const Outcome outcome = run(scenario_with(fault));

        check_healthy(outcome.report);
        CHECK(said(outcome.report, kind));
    }
}

TEST_CASE("control: ipsec comes through what is its own") {
    for (const char* fault :
         {R"([{ "kind": "ike_down", "at": "60s", "for": "5m", "hosts": ["h1"] }])",
          R"([{ "kind": "key_rotation", "at": "60s", "psk": "another-key-just-as-long-0123456789abc" }])",
          R"([{ "kind": "agent_kill", "at": "60s", "for": "10s", "hosts": ["h1"] }])",
          R"([{ "kind": "host_crash", "at": "60s", "for": "10s", "hosts": ["h1"] }])"}) {
        INFO(fault);
        check_healthy(run(scenario_with(fault, "ipsec", "20m")).report);
    }
}

TEST_CASE("control: a host that crashes comes back to its subnet") {
    const Outcome before = run(scenario_with("[]"));
    const Outcome after =
        run(scenario_with(R"([{ "kind": "host_crash", "at": "60s", "for": "60s", "hosts": ["h2"] }])"));

    CHECK(after.report.hosts[1].lease == before.report.hosts[1].lease);
}

TEST_CASE("control: without its store host nobody gets a lease") {
    const Outcome outcome = run(scenario_with(
        R"([{ "kind": "host_crash", "at": "0s", "hosts": ["store"] }])", "vxlan", "1m"));

    CHECK(outcome.report.hosts[0].lease.empty());
}

TEST_CASE("control: seven days are renewed day by day") {
    const Outcome outcome = run(scenario_with("[]", "vxlan", "168h"));

    check_healthy(outcome.report);
    // Nobody has lost and taken a lease again: each was acquired in the first minute, and stands.
    for (const HostReport& host : outcome.report.hosts) {
        CHECK(host.lease_acquired_ns < minutes(1).ns);
        CHECK(host.converged_ns < minutes(1).ns);
    }
}

TEST_CASE("control: equal runs have equal digests, and different seeds others") {
    const Scenario scenario = scenario_with(
        R"([{ "kind": "host_crash", "at": "60s", "for": "60s", "hosts": ["h2"] },
            { "kind": "store_data_loss", "at": "150s" }])");

    const Outcome first = run(scenario, 7);
    const Outcome second = run(scenario, 7);
    const Outcome other = run(scenario, 8);

    CHECK(first.digest == second.digest);
    CHECK(first.report.forwarding == second.report.forwarding);
    CHECK(first.digest != other.digest);
}

TEST_CASE("control: what is about packets alone is said to have no effect") {
    const Outcome outcome = run(scenario_with(
        R"([{ "kind": "link_change", "at": "60s", "for": "9s", "link": "h1--sw", "delay": "20ms" }])"));

    REQUIRE(!outcome.report.warnings.empty());
    CHECK(outcome.report.warnings[0].find("no packet moves") != std::string::npos);
}

}  // namespace overlab
