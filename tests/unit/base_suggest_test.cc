// Which known word a mistyped one is taken for, and when none is near enough to name.
#include "models/base/suggest.h"

#include <catch2/catch.hpp>

#include <array>

using namespace overlab;

TEST_CASE("edits are counted as insert, remove, replace and swap") {
    const struct {
        const char *a, *b;
        std::size_t edits;
    } rows[] = {
        {"", "", 0},
        {"port", "port", 0},
        {"Port", "pORT", 0},
        {"", "port", 4},
        {"port", "prt", 1},
        {"port", "porrt", 1},
        {"port", "pert", 1},
        {"port", "prot", 1},
        {"kitten", "sitting", 3},
        {"SubnetLen", "SubnetMin", 2},
    };
    for (const auto& row : rows) {
        INFO(row.a << " and " << row.b);
        CHECK(edit_distance(row.a, row.b) == row.edits);
        CHECK(edit_distance(row.b, row.a) == row.edits);
    }
}

TEST_CASE("the nearest known word is suggested, the first of equally near ones") {
    const std::array<std::string_view, 4> known{"Network", "SubnetLen", "SubnetMin", "SubnetMax"};
    CHECK(did_you_mean("Netwrok", known) == " (did you mean \"Network\"?)");
    CHECK(nearest("SubnetMaxx", known) == "SubnetMax");
    CHECK(nearest("SubnetMen", known) == "SubnetLen");
}

TEST_CASE("a word that is like none of the known is not suggested any") {
    const std::array<std::string_view, 2> known{"Network", "SubnetLen"};
    CHECK(did_you_mean("colour", known).empty());
    CHECK(did_you_mean("", known).empty());
    CHECK(did_you_mean("x", {}).empty());
}

TEST_CASE("endless words are compared by their first 64 bytes") {
    const std::string a(1'000'000, 'a');
    CHECK(edit_distance(a, a + "b") == 0);
    CHECK(edit_distance(a, "") == 64);
}
