// What the fuzzer draws, and how it makes things small.
#include <algorithm>
#include <set>
#include <string>

#include "models/fuzz/cluster_surgery.h"
#include "models/fuzz/fuzz_scenario.h"
#include "models/fuzz/shrink_scenario.h"
#include "models/scenario/scenario_text.h"
#include "models/underlay/graph.h"
#include "tests/support/catch.h"

using namespace overlab;

namespace {

constexpr std::uint64_t seeds = 200;

bool names_kind(const Scenario& scenario, FaultSpec::Kind kind) {
    return std::ranges::any_of(scenario.faults,
                               [&](const FaultSpec& fault) { return fault.kind == kind; });
}

std::size_t node_count(const Scenario& scenario) {
    return static_cast<std::size_t>(
        std::ranges::count_if(scenario.underlay.nodes, [](const UnderlayNode& node) {
            return node.kind == UnderlayNode::Kind::host && node.runs_node;
        }));
}

}  // namespace

TEST_CASE("a seed says everything about a drawn scenario", "[fuzz]") {
    const FuzzOptions options{.defects = {"no-audit"}, .traffic = true};

    CHECK(draw_scenario(7, options) == draw_scenario(7, options));
    CHECK_FALSE(draw_scenario(7, options) == draw_scenario(8, options));
    CHECK(draw_scenario(7, options).defects == options.defects);
}

TEST_CASE("every fault is over before the time of peace", "[fuzz]") {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const Scenario scenario = draw_scenario(seed, {});
        CAPTURE(seed);
        CHECK(scenario.faults.size() >= 10);
        for (const FaultSpec& fault : scenario.faults) {
            CHECK(fault.at > scenario.boot_spread);
            CHECK(fault.at + fault.lasts.value_or(Duration{}) + minutes(1) < scenario.duration);
        }
    }
}

TEST_CASE("all kinds of faults and backends are drawn", "[fuzz]") {
    std::set<FaultSpec::Kind> kinds;
    std::set<std::string_view> backends;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const Scenario scenario = draw_scenario(seed, {.traffic = true});
        for (const FaultSpec& fault : scenario.faults) kinds.insert(fault.kind);
        backends.insert(backend_name(scenario.network.backend));
    }
    // charon and keys are not drawn: the control world has no exchanges to disturb.
    CHECK(kinds.size() == fault_kind_names.size() - 2);
    CHECK(backends == std::set<std::string_view>{"host-gw", "ipip", "ipsec", "udp", "vxlan"});
}

TEST_CASE("what is drawn is a scenario that can be saved and read again", "[fuzz]") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const bool traffic = seed % 2 == 0;
        const Scenario scenario = draw_scenario(seed, {.traffic = traffic});
        CAPTURE(seed);
        const std::string text = encode_scenario(scenario);
        const ParsedScenario parsed = parse_scenario(text, "drawn.json", {});
        for (const Problem& problem : parsed.problems) FAIL_CHECK(problem.to_string());
        REQUIRE(parsed.scenario);
        CHECK(parsed.scenario->faults == scenario.faults);
        CHECK(parsed.scenario->underlay == scenario.underlay);
        CHECK(parsed.scenario->network_json == scenario.network_json);
        CHECK(parsed.scenario->duration == scenario.duration);
        CHECK(parsed.scenario->traffic == scenario.traffic);
    }
}

TEST_CASE("a host is taken out with everything that names it", "[fuzz]") {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        CAPTURE(seed);
        Scenario scenario = draw_scenario(seed, {.min_hosts = 3, .traffic = true});
        const std::string gone = scenario.underlay.nodes[0].name;

        const Scenario less = without_host(scenario, 0);

        CHECK(node_count(less) + 1 == node_count(scenario));
        CHECK(UnderlayGraph::build(less.underlay).has_value());
        CHECK(less.underlay.nodes[less.store.host].name == "store");
        const std::string text = encode_scenario(less);
        CHECK(text.find('"' + gone + '"') == std::string::npos);
        const ParsedScenario parsed = parse_scenario(text, "less.json", {});
        for (const Problem& problem : parsed.problems) FAIL_CHECK(problem.to_string());
    }
}

TEST_CASE("a failure that needs one fault on one host shrinks to just that", "[fuzz]") {
    // The first seed that has such a fault.
    std::uint64_t seed = 1;
    while (!names_kind(draw_scenario(seed, {.min_hosts = 6}), FaultSpec::Kind::store_compaction))
        ++seed;
    const Scenario scenario = draw_scenario(seed, {.min_hosts = 6});
    const auto fails = [](const Scenario& candidate) {
        return names_kind(candidate, FaultSpec::Kind::store_compaction) &&
               node_count(candidate) >= 2;
    };

    const ShrunkScenario small = shrink_scenario(scenario, fails);

    CHECK(small.minimal);
    CHECK(small.scenario.faults.size() == 1);
    CHECK(small.scenario.faults[0].name == "fault-1");
    CHECK(node_count(small.scenario) == 2);
    CHECK(small.scenario.duration < minutes(1));
    CHECK(fails(small.scenario));
}

TEST_CASE("shrinking gives up after so many tries", "[fuzz]") {
    const Scenario scenario = draw_scenario(3, {});
    std::size_t asked = 0;
    const auto fails = [&](const Scenario&) {
        ++asked;
        return false;
    };

    const ShrunkScenario same = shrink_scenario(scenario, fails, 5);

    CHECK(asked == 5);
    CHECK_FALSE(same.minimal);
    CHECK(same.scenario == scenario);
}
