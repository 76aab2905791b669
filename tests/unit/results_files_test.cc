#include <nlohmann/json.hpp>
#include <string>

#include "results/expectations.h"
#include "results/flows_csv.h"
#include "results/report_difference.h"
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

TEST_CASE("A result is reproducible if every run was in virtual time and none asks for a machine") {
    ExperimentResult result = sample_result();
    REQUIRE(reproducible(result));

    RunReport guest = report_of("vxlan");
    guest.world = "vm";
    result.runs.push_back(guest);
    REQUIRE(reproducible(result));

    result.runs.back().virtual_time = false;
    REQUIRE_FALSE(reproducible(result));

    result.runs.back() = guest;
    result.runs.back().unavailable = "no kernel is built";
    REQUIRE_FALSE(reproducible(result));

    // What sim cannot, it can nowhere.
    result.runs.back().world = "sim";
    REQUIRE(reproducible(result));
}

TEST_CASE("Captures and repeats are told beside the deterministic part") {
    const ExperimentResult plain = sample_result();
    ExperimentResult asked = plain;
    asked.captures = {{"captures/vxlan-seed1/h1--h2.pcapng", 12, "ab"}};
    asked.repeats = {{"vxlan", "sim", 1, 2, 2, {}}};

    REQUIRE(deterministic_json(asked) == deterministic_json(plain));
    const Json without = Json::parse(result_json(plain, {}));
    const Json with = Json::parse(result_json(asked, {}));
    REQUIRE_FALSE(without.contains("captures"));
    REQUIRE_FALSE(without.contains("repeats"));
    REQUIRE(with["captures"][0]["sha256"] == "ab");
    REQUIRE(with["repeats"][0]["identical"] == 2);
}

TEST_CASE("Repeats are a line each; of several worlds it is said which") {
    ExperimentResult result = sample_result();
    result.worlds = {"sim"};
    REQUIRE(repeats_text(result).empty());

    result.repeats = {{"vxlan", "sim", 1, 5, 5, {}},
                      {"udp", "sim", 1, 3, 2, {{3, "repeats/udp-seed1/3/a.pcapng", "octet 7"}}}};
    REQUIRE(repeats_text(result) ==
            "repeats: 5 of 5 identical (vxlan, seed 1)\n"
            "repeats: 2 of 3 identical (udp, seed 1)\n"
            "  repeat 3: repeats/udp-seed1/3/a.pcapng: octet 7\n");

    result.worlds = {"sim", "vm"};
    REQUIRE(repeats_text(result).starts_with("repeats: 5 of 5 identical (vxlan in sim, seed 1)\n"));
}

TEST_CASE("Many identical runs are cut short, one that differs never") {
    ExperimentResult result = sample_result();
    for (std::uint64_t seed = 1; seed <= 30; ++seed)
        result.repeats.push_back({"vxlan", "sim", seed, 2, 2, {}});
    result.repeats.back() = {"vxlan", "sim", 30, 2, 1, {{2, "report.json", "/events: 1 and 2"}}};

    const std::string text = repeats_text(result);

    REQUIRE(text.find("seed 12)\n") != std::string::npos);
    REQUIRE(text.find("seed 13)\n") == std::string::npos);
    REQUIRE(text.find("1 of 2 identical (vxlan, seed 30)\n") != std::string::npos);
    REQUIRE(text.ends_with("repeats: and 17 more runs identical\n"));
}

TEST_CASE("The first difference of two reports is a field and its two values") {
    const RunReport report = sample_result().runs[0];
    struct Row {
        const char* name;
        void (*change)(RunReport&);
        const char* difference;
    };
    const Row row = GENERATE(
        Row{"a number", [](RunReport& run) { run.flows[0].goodput_bps = 1; },
            "/flows/0/goodput_bps: 8000 and 1"},
        Row{"a text", [](RunReport& run) { run.warnings = {"a"}; }, "/warnings: [] and [\"a\"]"},
        Row{"one less", [](RunReport& run) { run.flows.clear(); }, "/flows/0: {"},
        Row{"one more in a map", [](RunReport& run) { run.forwarding["h1"] = "route"; },
            "/forwarding/h1: nothing and \"route\""});
    INFO(row.name);
    RunReport changed = report;
    row.change(changed);

    REQUIRE_FALSE(report_difference(report, report).has_value());
    const auto difference = report_difference(report, changed);
    REQUIRE(difference.has_value());
    REQUIRE(difference->starts_with(row.difference));
    REQUIRE(difference->size() < 300);
}
