// The shipped scenarios and the schema that describes them.
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

std::map<std::string, ParsedScenario> library() {
    std::map<std::string, ParsedScenario> parsed;
    for (const auto& entry : fs::directory_iterator(fs::path(OVERLAB_SOURCE_DIR) / "scenarios")) {
        const fs::path path = entry.path();
        if (path.extension() != ".json" || path.stem() == "schema") continue;
        parsed[path.stem()] = parse_scenario(read(path), path.filename(), {});
    }
    return parsed;
}

TEST_CASE("every shipped scenario is right, says what it shows and expects something") {
    const auto scenarios = library();
    CHECK(scenarios.size() >= 12);
    for (const auto& [name, parsed] : scenarios) {
        CAPTURE(name);
        for (const Problem& problem : parsed.problems) UNSCOPED_INFO(problem.to_string());
        REQUIRE(parsed.scenario.has_value());
        CHECK(parsed.warnings.empty());
        CHECK(parsed.scenario->name == name);
        CHECK(parsed.scenario->description.size() > 40);
        CHECK_FALSE(parsed.scenario->expect.empty());
        CHECK(parsed.scenario->duration <= seconds(10));
    }
}

TEST_CASE("every shipped scenario runs with each backend that it compares") {
    for (const auto& [name, parsed] : library()) {
        CAPTURE(name);
        for (const std::string& type : parsed.scenario->compare_backends) {
            const Result<Scenario> other = with_backend(*parsed.scenario, type);
            REQUIRE(other.has_value());
            CHECK(backend_name(other->network.backend) == type);
        }
        CHECK(UnderlayGraph::build(parsed.scenario->underlay).has_value());
    }
}

/// Every member of every `properties` and every `items` has a title and a description.
void check_described(const nlohmann::json& schema, const std::string& where) {
    const auto described = [](const nlohmann::json& node, const std::string& path) {
        CAPTURE(path);
        const bool shared = node.contains("$ref") && node.at("$ref") != "#/definitions/rate" &&
                            !node.contains("title");
        CHECK((shared || (node.contains("title") && !node.value("description", "").empty())));
        check_described(node, path);
    };
    const auto properties = schema.value("properties", nlohmann::json::object());
    for (const auto& [key, property] : properties.items()) described(property, where + "/" + key);
    if (schema.contains("items")) described(schema.at("items"), where + "/items");
}

TEST_CASE("the schema describes every key") {
    const nlohmann::json schema =
        nlohmann::json::parse(read(fs::path(OVERLAB_SOURCE_DIR) / "scenarios/schema.json"));

    check_described(schema, "");
    for (const char* shape : {"node", "link", "generate", "traffic"}) {
        CAPTURE(shape);
        CHECK(schema.at("definitions").at(shape).contains("description"));
        check_described(schema.at("definitions").at(shape), shape);
    }
    for (const auto& [key, property] :
         schema.at("definitions").at("generate").at("properties").items())
        check_described(property, key);
}

}  // namespace
}  // namespace overlab
