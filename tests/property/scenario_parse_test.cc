// The file's order does not matter; nothing that a file can hold makes the parser throw or
// contradict itself.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/scenario/scenario.h"

#include "tests/support/property.h"

namespace overlab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

/// The library and the broken files, in the order of their names.
std::vector<std::string> corpus() {
    std::map<std::string, std::string> texts;
    for (const char* folder : {"scenarios", "tests/bad"}) {
        for (const auto& entry : fs::directory_iterator(fs::path(OVERLAB_SOURCE_DIR) / folder)) {
            const std::string path = entry.path();
            const bool is_scenario = path.ends_with(".json") && !path.ends_with("schema.json");
            if (is_scenario && entry.file_size() < 8000) texts[path] = read(entry.path());
        }
    }
    std::vector<std::string> list;
    for (auto& [path, text] : texts) list.push_back(std::move(text));
    return list;
}

Result<std::string> include_good(const std::string& path) {
    if (path == "good.json") return read(fs::path(OVERLAB_SOURCE_DIR) / "tests/bad/good.json");
    return fail(ErrorKind::not_found, "no such file");
}

void shuffle(Json& value, Rng& rng, bool lists_too) {
    if (value.is_array() && lists_too) {
        for (std::size_t i = value.size(); i > 1; --i) std::swap(value[i - 1], value[rng.below(i)]);
    }
    if (value.is_object()) {
        std::vector<std::string> keys;
        for (const auto& [key, member] : value.items()) keys.push_back(key);
        for (std::size_t i = keys.size(); i > 1; --i) std::swap(keys[i - 1], keys[rng.below(i)]);
        Json other = Json::object();
        for (const std::string& key : keys) other[key] = value[key];
        value = other;
    }
}

/// Lists whose order has no meaning, and the keys of objects, in another order.
Json reordered(Json scenario, Rng& rng) {
    for (Json* list : {&scenario["underlay"]["nodes"], &scenario["underlay"]["links"],
                       &scenario["pods"], &scenario["traffic"], &scenario["faults"]}) {
        shuffle(*list, rng, true);
        for (Json& item : *list) shuffle(item, rng, false);
    }
    shuffle(scenario["underlay"], rng, false);
    shuffle(scenario, rng, false);
    return scenario;
}

const char* const varied = R"({
  "overlab": 1, "name": "varied", "duration": "2s",
  "network": {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}},
  "underlay": {
    "nodes": [{"name": "h1"}, {"name": "h2", "address": "192.0.2.20"}, {"name": "h3"}, {"name": "h4", "cores": 2},
              {"name": "s1", "kind": "switch"}, {"name": "s2", "kind": "switch"}, {"name": "r1", "kind": "router"}],
    "links": [{"ends": ["h1", "s1"]}, {"ends": ["h2", "s1"], "rate": "1Gbps"}, {"ends": ["s1", "r1"]},
              {"ends": ["r1", "s2"], "mtu": 1400}, {"ends": ["h3", "s2"]}, {"ends": ["s2", "h4"], "loss": 0.01}]},
  "pods": [{"name": "a", "host": "h1"}, {"name": "b", "host": "h2"}, {"name": "c", "host": "h3"}],
  "traffic": [{"name": "t1", "kind": "tcp", "from": "a", "to": "b"},
              {"name": "t2", "kind": "udp", "from": "c", "to": "a", "rate": "1Mbps"},
              {"name": "t3", "kind": "tcp", "each": "random_pair", "count": 5}],
  "faults": [{"at": "1s", "do": "link_down", "link": "r1--s2"}, {"at": "1s", "do": "link_down", "link": "h1--s1"}]
})";

TEST_CASE("a scenario does not depend on the order of its nodes, links, pods, traffic or keys") {
    const Json original = Json::parse(varied);
    const ParsedScenario first = parse_scenario(original.dump(), "x", {});
    REQUIRE(first.scenario.has_value());
    test::holds([&](std::uint64_t seed) {
        Rng rng = Rng::stream(seed, "order");
        const ParsedScenario other = parse_scenario(reordered(original, rng).dump(), "x", {});
        RC_ASSERT(other.scenario.has_value());
        RC_ASSERT(*other.scenario == *first.scenario);
    });
}

TEST_CASE("parsing twice gives the same scenario, another seed another one") {
    const ParsedScenario first = parse_scenario(varied, "x", {}),
                         again = parse_scenario(varied, "x", {});
    Json other = Json::parse(varied);
    other["seed"] = 2;

    CHECK(*first.scenario == *again.scenario);
    CHECK(first.scenario->traffic != parse_scenario(other.dump(), "x", {}).scenario->traffic);
}

/// Cuts, doubles, or overwrites a stretch, or takes one from another text.
std::string mutate(std::string text, const std::vector<std::string>& texts, Rng& rng) {
    const auto place = [&](const std::string& of) {
        return static_cast<std::size_t>(rng.below(of.size() + 1));
    };
    for (std::uint64_t edits = 1 + rng.below(4); edits > 0; --edits) {
        const std::size_t at = place(text), length = static_cast<std::size_t>(rng.below(20));
        const std::string& donor = texts[rng.below(texts.size())];
        switch (rng.below(4)) {
            case 0:
                text.erase(at, length);
                break;
            case 1:
                text.insert(at, text.substr(at, length));
                break;
            case 2:
                text.insert(at, donor.substr(place(donor), length));
                break;
            default:
                text.insert(at, 1, static_cast<char>(rng.below(256)));
                break;
        }
    }
    return text;
}

TEST_CASE("mutated files are scenarios or problems with a place and a message") {
    const std::vector<std::string> texts = corpus();
    REQUIRE(texts.size() > 100);
    test::holds(
        [&](std::uint64_t seed) {
            Rng rng = Rng::stream(seed, "mutate");
            const std::string text = mutate(texts[rng.below(texts.size())], texts, rng);
            const ParsedScenario parsed = parse_scenario(text, "x.json", include_good);
            RC_ASSERT(parsed.scenario.has_value() == parsed.problems.empty());
            const auto lines = 1 + std::ranges::count(text, '\n');
            for (const Problem& problem : parsed.problems) {
                RC_ASSERT(problem.line >= 1);
                RC_ASSERT(problem.file != "x.json" || problem.line <= lines);
                RC_ASSERT(problem.column >= 1);
                // Said only of schema keywords that have no words of their own.
                RC_ASSERT(problem.message.find("scenario schema") == std::string::npos);
                RC_ASSERT(problem.pointer.empty() || problem.pointer.front() == '/');
                RC_ASSERT(problem.to_string().find('\n') == std::string::npos);
            }
            if (!parsed.scenario) return;
            for (const std::string& type : parsed.scenario->compare_backends)
                RC_ASSERT(with_backend(*parsed.scenario, type).has_value());
        },
        3000);
}

}  // namespace
}  // namespace overlab
