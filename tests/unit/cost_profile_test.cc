// Reading cost profiles and the cost formula.
#include <algorithm>
#include <string>
#include <vector>

#include "models/cost/cost_profile.h"
#include "tests/support/catch.h"

namespace overlab {
namespace {

/// A valid profile in which every stage costs nothing but what `stages` says.
std::string profile_text(const std::string& head, const std::string& special_stage = "",
                         const std::string& special_value = "{}") {
    std::string stages;
    for (std::size_t i = 0; i < cost_stage_count; ++i) {
        const std::string name(to_string(static_cast<CostStage>(i)));
        if (name == special_stage && special_value.empty()) continue;
        stages += (stages.empty() ? "\"" : ", \"") + name +
                  "\": " + (name == special_stage ? special_value : "{}");
    }
    return "{" + head + R"(, "stages": {)" + stages + "}}";
}

const std::string good_head =
    R"("name": "test", "source": "made up", "cores": 2, "max_backlog": 10,
       "max_aggregate_segments": 4, "wakeup_ns": 7)";

std::string error_of(const std::string& text) {
    const Result<CostProfile> parsed = parse_cost_profile(text);
    if (parsed) return "no error";
    CHECK(parsed.error().kind == ErrorKind::invalid_argument);
    return parsed.error().what;
}

}  // namespace

TEST_CASE("a cost profile keeps every number of its text") {
    const Result<CostProfile> profile = parse_cost_profile(profile_text(
        good_head, "proxy_send",
        R"({"per_aggregate_ns": 1, "per_segment_ns": 2, "per_byte_ps": 3, "segments_apart": true,
            "single_core": true})"));

    REQUIRE(profile);
    CHECK(profile->name == "test");
    CHECK(profile->source == "made up");
    CHECK(profile->cores == 2);
    CHECK(profile->max_backlog == 10);
    CHECK(profile->max_aggregate_segments == 4);
    CHECK(profile->wakeup_ns == 7);
    const StageCost& proxy = profile->stages[static_cast<std::size_t>(CostStage::proxy_send)];
    CHECK(proxy.per_aggregate_ns == 1);
    CHECK(proxy.per_segment_ns == 2);
    CHECK(proxy.per_byte_ps == 3);
    CHECK(proxy.segments_apart);
    CHECK(proxy.single_core);
    CHECK(profile->cost_ns(CostStage::route, 44, 65000) == 0);
}

TEST_CASE("a wrong cost profile is refused at the place that is wrong") {
    struct Row {
        std::string why, text, message;
    };
    const std::string pointer = "cost profile: /";
    const Row rows[] = {
        {"not JSON", "{\"name\": ", "cost profile: /: not a JSON document"},
        {"not an object", "[]", "cost profile: /: expected an object"},
        {"a key twice", R"({"cores": 1, "cores": 2})",
         "cost profile: /: key \"cores\" is given twice"},
        {"no name", R"({"source": "x"})", pointer + "name: missing"},
        {"a name that is empty", R"({"name": ""})",
         pointer + "name: expected a string that is not empty"},
        {"no cores at all",
         profile_text(R"("name": "t", "source": "s", "cores": 0, "max_backlog": 1,
                         "max_aggregate_segments": 1, "wakeup_ns": 0)"),
         pointer + "cores: expected an integer from 1 to 1024"},
        {"a mistyped head key", profile_text(good_head + R"(, "wake_up_ns": 1)"),
         pointer + "wake_up_ns: unknown key (did you mean \"wakeup_ns\"?)"},
        {"a stage left out", profile_text(good_head, "route", ""),
         pointer + "stages/route: missing"},
        {"a stage that is not an object", profile_text(good_head, "route", "5"),
         pointer + "stages/route: expected an object"},
        {"a negative cost", profile_text(good_head, "route", R"({"per_segment_ns": -1})"),
         pointer + "stages/route/per_segment_ns: expected an integer from 0 to 1000000000"},
        {"a fractional cost", profile_text(good_head, "nic_rx", R"({"per_byte_ps": 0.5})"),
         pointer + "stages/nic_rx/per_byte_ps: expected an integer from 0 to 1000000000"},
        {"a cost beyond reason", profile_text(good_head, "nic_rx", R"({"per_byte_ps": 1e300})"),
         pointer + "stages/nic_rx/per_byte_ps: expected an integer from 0 to 1000000000"},
        {"a flag that is a number", profile_text(good_head, "route", R"({"single_core": 1})"),
         pointer + "stages/route/single_core: expected true or false"},
        {"a mistyped cost", profile_text(good_head, "route", R"({"per_byte_ns": 1})"),
         pointer + "stages/route/per_byte_ns: unknown key (did you mean \"per_byte_ps\"?)"},
    };
    for (const Row& row : rows) {
        INFO(row.why);
        CHECK(error_of(row.text) == row.message);
    }
}

TEST_CASE("a stage costs by aggregate, segment and byte") {
    CostProfile profile;
    StageCost& cost = profile.stages[static_cast<std::size_t>(CostStage::route)];
    cost = {.per_aggregate_ns = 100, .per_segment_ns = 10, .per_byte_ps = 500};

    CHECK(profile.cost_ns(CostStage::route, 1, 0) == 110);
    CHECK(profile.cost_ns(CostStage::route, 4, 6000) == 100 + 40 + 3000);
    CHECK(profile.cost_ns(CostStage::route, {.aggregates = 4, .segments = 4, .bytes = 6000}) ==
          400 + 40 + 3000);

    cost.segments_apart = true;
    CHECK(profile.cost_ns(CostStage::route, 4, 6000) == 400 + 40 + 3000);
}

TEST_CASE("picoseconds a byte are rounded to the nearest nanosecond") {
    CostProfile profile;
    profile.stages[static_cast<std::size_t>(CostStage::nic_rx)].per_byte_ps = 1;
    CHECK(profile.cost_ns(CostStage::nic_rx, 1, 499) == 0);
    CHECK(profile.cost_ns(CostStage::nic_rx, 1, 500) == 1);
    CHECK(profile.cost_ns(CostStage::nic_rx, 1, 1499) == 1);
}

TEST_CASE("every built-in profile reads, is named as its file and says where it comes from") {
    const std::vector<std::string> names = built_in_cost_profiles();
    REQUIRE(std::find(names.begin(), names.end(), "laptop") != names.end());
    CHECK(std::is_sorted(names.begin(), names.end()));
    for (const std::string& name : names) {
        INFO(name);
        const Result<CostProfile> profile = built_in_cost_profile(name);
        REQUIRE(profile);
        CHECK(profile->name == name);
        CHECK(profile->source.size() > 40);
    }
}

TEST_CASE("an unknown profile's error names the ones there are") {
    const Result<CostProfile> profile = built_in_cost_profile("labtop");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().kind == ErrorKind::not_found);
    CHECK(profile.error().what ==
          "cost profile \"labtop\": unknown (did you mean \"laptop\"?); there are: "
          "infrabuilder-2024, infrabuilder-2024-pods, laptop, oncache-2024");
}

}  // namespace overlab
