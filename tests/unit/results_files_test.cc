#include <nlohmann/json.hpp>
#include <string>

#include "results/expectations.h"
#include "results/flows_csv.h"
#include "results/result_json.h"
#include "results/summary.h"
#include "tests/support/sample_report.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;
using Json = nlohmann::json;

namespace {

ExperimentResult sample_result() {
    RunReport run = report_of("vxlan");
    run.flows = {tcp_flow("bulk", 8'000)};
    ExperimentResult result;
    result.scenario = "two-hosts";
    result.backends = {"vxlan"};
    result.seeds = {1};
    result.runs = {run};
    return result;
}

/// Every number in the document, by its path.
void collect_numbers(const Json& json, const std::string& path,
                     std::vector<std::string>& fractions) {
    if (json.is_number_float()) fractions.push_back(path);
    if (!json.is_structured()) return;
    for (const auto& [key, value] : json.items())
        collect_numbers(value, path + "/" + key, fractions);
}

}  // namespace

TEST_CASE("The deterministic part does not depend on the machine") {
    MachineFacts here;
    MachineFacts there{.overlab_version = "0.1.0",
                       .compiler = "clang++ 19",
                       .program_sha256 = "ab",
                       .scenario_file = "x.json",
                       .scenario_sha256 = "cd",
                       .deterministic_sha256 = "ef",
                       .wall_ns = 12,
                       .jobs = 2};
    const ExperimentResult result = sample_result();

    const Json a = Json::parse(result_json(result, here));
    const Json b = Json::parse(result_json(result, there));

    REQUIRE(a["deterministic"] == b["deterministic"]);
    REQUIRE(a["machine"] != b["machine"]);
    REQUIRE(a["deterministic"].dump() == deterministic_json(result));
    REQUIRE(a["overlab"] == result_schema_version);
}

TEST_CASE("Numbers in result.json are integers") {
    std::vector<std::string> fractions;

    collect_numbers(Json::parse(result_json(sample_result(), {})), "", fractions);

    REQUIRE(fractions == std::vector<std::string>{});
}

TEST_CASE("flows.csv quotes names that need it and has as many fields as columns") {
    RunReport run = report_of("vxlan");
    run.flows = {tcp_flow("bulk, \"big\"", 8'000)};

    const std::string csv = flows_csv({run});

    REQUIRE(csv.find("\r\nvxlan,sim,1,\"bulk, \"\"big\"\"\",tcp,client,server,1000000000,") !=
            std::string::npos);
    const auto columns =
        std::count(csv.begin(), csv.begin() + static_cast<long>(csv.find('\n')), ',');
    const auto commas = std::count(csv.begin(), csv.end(), ',');
    REQUIRE(commas == 2 * columns + 1);  // one comma is inside the name
}

TEST_CASE("Expectations are met within their bounds, for their backend only") {
    Scenario scenario;
    const RunReport run = sample_result().runs[0];
    struct Row {
        const char* name;
        Expectation expectation;
        std::size_t outcomes;
        bool met;
    };
    const Row row =
        GENERATE(Row{"at the minimum", {"bulk", "goodput_bps", 8000, {}, ""}, 1, true},
                 Row{"below the minimum", {"bulk", "goodput_bps", 8001, {}, ""}, 1, false},
                 Row{"at the maximum", {"bulk", "goodput_bps", {}, 8000, ""}, 1, true},
                 Row{"above the maximum", {"bulk", "goodput_bps", {}, 7999, ""}, 1, false},
                 Row{"this backend", {"bulk", "goodput_bps", 1, {}, "vxlan"}, 1, true},
                 Row{"another backend", {"bulk", "goodput_bps", 1, {}, "udp"}, 0, false},
                 Row{"no such metric", {"bulk", "happiness", 1, {}, ""}, 1, false});
    INFO(row.name);
    scenario.expect = {row.expectation};

    const auto outcomes = evaluate_expectations(scenario, run);

    REQUIRE(outcomes.size() == row.outcomes);
    if (!outcomes.empty()) {
        REQUIRE(outcomes[0].met == row.met);
        REQUIRE(outcomes[0].measured.has_value() == outcomes[0].problem.empty());
    }
}

TEST_CASE("Expectations are printed with what was measured") {
    ExperimentResult result = sample_result();
    result.expectations = {
        {{"bulk", "goodput_bps", 9e8, {}, ""}, "vxlan", "sim", 1, 8000.0, "", false},
        {{"network", "overlay_mtu", 1450, 1450, ""}, "vxlan", "sim", 1, 1450.0, "", true}};

    const std::string failed =
        "  FAILED  vxlan: bulk goodput_bps: 8000, expected at least 900000000\n";
    REQUIRE(expectations_text(result, false, Listed::all) ==
            "\nexpectations: 1 of 2 met\n" + failed +
                "  ok      vxlan: network overlay_mtu: 1450, expected 1450 to 1450\n");
    REQUIRE(expectations_text(result, false, Listed::unmet) ==
            "\nexpectations: 1 of 2 met\n" + failed);
}
