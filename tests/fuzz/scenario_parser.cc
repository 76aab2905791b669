// Any bytes are either a scenario that holds together, or problems with places. The bytes serve as
// every included file as well, so that includes are followed, too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/check.h"
#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"

namespace {

using namespace overlab;

void check_accepted(const Scenario& scenario) {
    CHECK(!scenario.name.empty());
    CHECK(scenario.duration > Duration{});
    CHECK(scenario.store.host < scenario.underlay.nodes.size());
    for (const UnderlayLink& link : scenario.underlay.links) {
        CHECK(link.a < scenario.underlay.nodes.size());
        CHECK(link.b < scenario.underlay.nodes.size());
        CHECK(link.a != link.b);
        CHECK(link.rate_bps > 0);
        CHECK(link.mtu >= 68);
        CHECK(link.mtu <= 65535);
        CHECK(link.queue_bytes >= link.mtu);
    }
    for (const PodSpec& pod : scenario.pods) CHECK(scenario.underlay.nodes.at(pod.host).runs_node);
    for (const TrafficSpec& flow : scenario.traffic) {
        CHECK(flow.from < scenario.pods.size());
        CHECK(flow.to < scenario.pods.size());
        CHECK(flow.from != flow.to);
        CHECK(flow.start < scenario.duration);
    }
    for (const FaultSpec& fault : scenario.faults)
        CHECK(fault.link < scenario.underlay.links.size());
    for (const std::string& type : scenario.compare_backends)
        CHECK(with_backend(scenario, type).has_value());
    CHECK(UnderlayGraph::build(scenario.underlay).has_value());
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const IncludeReader itself = [&](const std::string& path) -> Result<std::string> {
        if (path.empty()) return fail(ErrorKind::not_found, "no such file");
        return text;
    };
    const ParsedScenario parsed = parse_scenario(text, "fuzz.json", itself);
    CHECK(parsed.scenario.has_value() == parsed.problems.empty());
    if (parsed.scenario) check_accepted(*parsed.scenario);
    for (const auto* list : {&parsed.problems, &parsed.warnings}) {
        for (const Problem& problem : *list) {
            CHECK(problem.line >= 1);
            CHECK(problem.pointer.empty() || problem.pointer.starts_with('/'));
            CHECK(problem.message.size() >= 10);
            CHECK(problem.to_string().find('\n') == std::string::npos);
        }
    }
    return 0;
}
