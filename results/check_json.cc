#include "results/check_json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace overlab {
namespace {

using Json = nlohmann::json;

Json run_json(const CheckedRun& run) {
    Json failures = Json::array();
    for (const CheckFailure& failure : run.failures) {
        failures.push_back(
            {{"kind", to_string(failure.kind)}, {"lines", failure.lines}, {"what", failure.what}});
    }
    return {{"backend", run.backend}, {"digest", run.digest},     {"failures", std::move(failures)},
            {"wall_ns", run.wall_ns}, {"warnings", run.warnings}, {"world", run.world}};
}

Json scenario_json(const CheckedScenario& scenario) {
    Json problems = Json::array();
    for (const Problem& problem : scenario.problems) problems.push_back(problem.to_string());
    Json runs = Json::array();
    for (const CheckedRun& run : scenario.runs) runs.push_back(run_json(run));
    return {{"file", scenario.file},           {"folder", scenario.folder},
            {"left_out", scenario.left_out},   {"name", scenario.name},
            {"problems", std::move(problems)}, {"runs", std::move(runs)},
            {"warnings", scenario.warnings}};
}

}  // namespace

std::string check_json(const std::vector<CheckedScenario>& scenarios, std::string_view digest) {
    const CheckTotals totals = CheckTotals::of(scenarios);
    Json list = Json::array();
    for (const CheckedScenario& scenario : scenarios) list.push_back(scenario_json(scenario));
    const Json document{{"overlab", 1},
                        {"digest", digest},
                        {"scenarios", std::move(list)},
                        {"totals",
                         {{"broken", totals.broken},
                          {"failed", totals.failed},
                          {"large_left_out", totals.left_out},
                          {"passed", totals.passed},
                          {"runs", totals.runs},
                          {"warned", totals.warned}}}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace overlab
