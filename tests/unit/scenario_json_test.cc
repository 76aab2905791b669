// Places, pointers and strictness of the JSON reader; what each syntax error says is in tests/bad.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "models/scenario/includes.h"
#include "models/scenario/located_json.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

LocatedValue parse(std::string_view text) {
    auto parsed = parse_located_json(text, 0);
    INFO((parsed ? std::string() : parsed.error().message));
    REQUIRE(parsed.has_value());
    return *parsed;
}

std::string at(const Place& place) { return fmt::format("{}:{}", place.line, place.column); }

TEST_CASE("every value and key knows its line and column, past comments and escapes") {
    const LocatedValue root = parse(
        "// head\n"
        "{ /* a */ \"k\\\"ey\" : 12.50 , // tail\n"
        "  \"list\": [ true,null,\n"
        "    \"text\" , -3 ],\n"
        "  \"inner\":{\"x\":{}} }\n");

    CHECK(at(root.place) == "2:1");
    CHECK(root.members[0].key == "k\"ey");
    CHECK(at(root.members[0].place) == "2:11");
    CHECK(at(root.members[0].value.place) == "2:21");
    CHECK(root.members[0].value.text == "12.50");
    const LocatedValue& list = *root.find("list");
    CHECK(at(list.place) == "3:11");
    CHECK(at(list.items[0].place) == "3:13");
    CHECK(at(list.items[1].place) == "3:18");
    CHECK(at(list.items[2].place) == "4:5");
    CHECK(at(list.items[3].place) == "4:14");
    CHECK(at(root.find("inner")->find("x")->place) == "5:16");
}

TEST_CASE("a byte order mark and Windows line ends do not move places") {
    const LocatedValue root = parse("\xEF\xBB\xBF{\r\n  \"a\": 1\r\n}\r\n");

    CHECK(at(root.members[0].place) == "2:3");
}

TEST_CASE("values print as compact JSON in the file's order, numbers as written") {
    const std::string text = R"({"b":[1,2.50,true,null],"a":{"q":"\"\\\n"},"é":"ü"})";

    CHECK(parse(text).dump() == text);
}

TEST_CASE("a key twice in one object is an error, in two objects it is none") {
    const auto twice = parse_located_json("{\"a\": {\"x/y\": 1,\n\"x/y\": 2}}", 0);
    REQUIRE_FALSE(twice.has_value());
    CHECK(twice.error().pointer == "/a/x~1y");
    CHECK(at(twice.error().place) == "2:1");
    CHECK(parse(R"({"a": {"x": 1}, "b": {"x": 1}})").members.size() == 2);
}

TEST_CASE("depth and size are bounded") {
    const std::string deepest = std::string(max_json_depth, '[') + std::string(max_json_depth, ']');
    CHECK(parse_located_json(deepest, 0).has_value());
    CHECK_FALSE(parse_located_json("[" + deepest + "]", 0).has_value());
    CHECK(parse_located_json(std::string(max_json_bytes, ' ') + "1", 0).error().message ==
          "the file has 16777217 bytes; at most 16777216 are read");
}

TEST_CASE("included paths are relative to the including file") {
    CHECK(resolve_path("a/b.json", "c.json") == "a/c.json");
    CHECK(resolve_path("a/b.json", "../c.json") == "c.json");
    CHECK(resolve_path("b.json", "../c.json") == "../c.json");
    CHECK(resolve_path("../b.json", "../c.json") == "../../c.json");
    CHECK(resolve_path("/x/b.json", "./y//c.json") == "/x/y/c.json");
    CHECK(resolve_path("a/b.json", "/c.json") == "/c.json");
}

}  // namespace
}  // namespace overlab
