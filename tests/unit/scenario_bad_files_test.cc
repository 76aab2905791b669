// Every file of tests/bad is broken in one way. manifest.json says where and with which words
// parse_scenario must complain: about that place, and about nothing else.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "models/scenario/scenario.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

namespace fs = std::filesystem;

const fs::path folder = fs::path(OVERLAB_SOURCE_DIR) / "tests/bad";

Result<std::string> read(const std::string& name) {
    std::ifstream file(folder / name, std::ios::binary);
    if (!file) return fail(ErrorKind::not_found, "no such file");
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

ParsedScenario parse(const std::string& name) {
    const Result<std::string> text = read(name);
    REQUIRE(text.has_value());
    return parse_scenario(*text, name, read);
}

nlohmann::json manifest() { return nlohmann::json::parse(*read("manifest.json")); }

TEST_CASE("the file that broken scenarios start from is right") {
    const ParsedScenario good = parse("good.json");

    REQUIRE(good.scenario.has_value());
    CHECK(good.problems.empty());
    CHECK(good.warnings.empty());
}

TEST_CASE("every broken file is reported at its mistake and nowhere else") {
    for (const nlohmann::json& row : manifest()) {
        const std::string file = row.at("file");
        CAPTURE(file);
        const ParsedScenario parsed = parse(file);

        CHECK_FALSE(parsed.scenario.has_value());
        std::string all;
        for (const Problem& problem : parsed.problems) all += problem.to_string() + "\n";
        INFO(all);
        REQUIRE(parsed.problems.size() == 1);
        const Problem& problem = parsed.problems.front();
        CHECK(problem.file == row.value("in", file));
        CHECK(problem.pointer == row.at("pointer").get<std::string>());
        CHECK(problem.line == row.at("line"));
        CHECK(problem.column == row.at("column"));
        CHECK_THAT(problem.message, Catch::Contains(row.at("message").get<std::string>()));
    }
}

TEST_CASE("messages are one printable paragraph that a person can read") {
    for (const nlohmann::json& row : manifest()) {
        const ParsedScenario parsed = parse(row.at("file"));
        for (const Problem& problem : parsed.problems) {
            const std::string text = problem.to_string();
            CAPTURE(text);
            CHECK(text.find_first_of("\n\r\t") == std::string::npos);
            CHECK(problem.message.size() >= 10);
            CHECK(problem.message.size() <= 600);
            CHECK(text.starts_with(problem.file + ":"));
        }
    }
}

TEST_CASE("every broken file is in the manifest, which has at least sixty") {
    std::set<std::string> listed;
    for (const nlohmann::json& row : manifest()) {
        CHECK_FALSE(row.at("message").get<std::string>().empty());
        listed.insert(row.at("file"));
    }
    CHECK(listed.size() >= 60);
    for (const nlohmann::json& row : manifest()) listed.insert(row.value("in", row.at("file")));
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        // Links of chains that are listed by one end.
        const bool is_link = name.starts_with("include-deep-");
        const bool is_known = name == "manifest.json" || name == "good.json" || is_link;
        CAPTURE(name);
        CHECK((is_known || listed.contains(name)));
    }
}

}  // namespace
}  // namespace overlab
