#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "results/result_json.h"
#include "tests/support/sample_report.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;
using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

namespace {

Json full_document() {
    RunReport run = report_of("vxlan");
    run.flows = {tcp_flow("bulk", 8'000), request_flow("rtt", 100, 200)};
    run.flows[0].series_bytes = {1, 2, 3};
    run.hosts.emplace_back();
    run.hosts[0].name = "h1";
    run.hosts[0].drops = {{"no_route", 3}};
    run.links.emplace_back();
    run.unreachable = {{"h1", "h3", "peer behind a router"}};
    run.timeline = {{5, "h1", "lease acquired"}};
    run.warnings = {"captures are cut"};
    run.forwarding = {{"h1", "route 10.244.2.0/24 via 192.0.2.2 dev eth0\n"}};
    ExperimentResult result;
    result.scenario = "two-hosts";
    result.worlds = {"sim"};
    result.backends = {"vxlan"};
    result.seeds = {1};
    result.runs = {run};
    result.expectations = {
        {{"bulk", "goodput_bps", 9e8, {}, ""}, "vxlan", "sim", 1, 8000.5, "", false},
        {{"bulk", "joy", {}, 1, ""}, "vxlan", "sim", 1, {}, "no such metric", false}};
    const std::string digest(64, 'a');
    result.captures = {{"captures/vxlan-seed1/h1--h2.pcapng", 1234, digest}};
    result.repeats = {
        {"vxlan", "sim", 1, 3, 2, {{2, "repeats/vxlan-seed1/2/report.json", "/events: 1 and 2"}}}};
    return Json::parse(result_json(result, {.overlab_version = "0.1.0",
                                            .compiler = "g++ 12",
                                            .program_sha256 = digest,
                                            .scenario_file = "two-hosts.json",
                                            .scenario_sha256 = digest,
                                            .deterministic_sha256 = digest,
                                            .wall_ns = 12,
                                            .jobs = 2}));
}

/// What the schema says against the document: empty if it is valid.
std::string complaints(const Json& document) {
    std::ifstream file(OVERLAB_SOURCE_DIR "/results/schema.json");
    const Json schema_json = Json::parse(file);
    valijson::Schema schema;
    valijson::SchemaParser parser;
    parser.populateSchema(Adapter(schema_json), schema);
    valijson::Validator validator;
    valijson::ValidationResults results;
    if (validator.validate(schema, Adapter(document), &results)) return {};
    std::string text = "invalid:";
    for (const auto& error : results) {
        for (const std::string& step : error.context) text += step;
        text += ": " + error.description + "\n";
    }
    return text;
}

}  // namespace

TEST_CASE("A result with everything in it is as the schema says") {
    REQUIRE(complaints(full_document()) == "");
}

TEST_CASE("The schema notices a field that is missing, unknown or of another type") {
    Json missing = full_document();
    missing["deterministic"]["runs"][0]["flows"][0].erase("goodput_bps");
    REQUIRE(complaints(missing) != "");

    Json unknown = full_document();
    unknown["deterministic"]["runs"][0]["hosts"][0]["mood"] = 1;
    REQUIRE(complaints(unknown) != "");

    Json wrong_type = full_document();
    wrong_type["machine"]["wall_ns"] = 0.5;
    REQUIRE(complaints(wrong_type) != "");
}
