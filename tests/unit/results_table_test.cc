#include "results/table.h"

#include <catch2/catch.hpp>

using overlab::CellStyle;
using overlab::Table;

namespace {

Table two_backends() {
    Table table;
    table.add_row({{"backend"}, {"bulk\ngoodput"}, {"rtt\np50"}});
    table.add_row({{"vxlan"}, {"9.09 Gbit/s"}, {"84.3 µs"}});
    table.add_row({{"host-gw"}, {"9.42 Gbit/s", CellStyle::best, " *"}, {"9 µs"}});
    return table;
}

}  // namespace

TEST_CASE("Columns are aligned by what is seen, headings sit on the rule") {
    REQUIRE(two_backends().render({}) ==
            "                  bulk      rtt\n"
            "backend        goodput      p50\n"
            "───────────────────────────────\n"
            "vxlan    9.09 Gbit/s    84.3 µs\n"
            "host-gw  9.42 Gbit/s *     9 µs\n");
}

TEST_CASE("A turned-over table has the headings in its first column, on one line") {
    REQUIRE(two_backends().transposed().render({}) ==
            "backend             vxlan        host-gw\n"
            "────────────────────────────────────────\n"
            "bulk goodput  9.09 Gbit/s  9.42 Gbit/s *\n"
            "rtt p50           84.3 µs         9 µs\n");
}

TEST_CASE("A table wider than the terminal is turned over if that makes it narrower") {
    Table wide;
    wide.add_row({{"backend"}, {"one"}, {"two"}, {"three"}, {"four"}});
    wide.add_row({{"vxlan"}, {"1"}, {"2"}, {"3"}, {"4"}});
    const std::string turned = wide.transposed().render({});

    REQUIRE(wide.render({.colour = false, .width = 34}) == wide.render({}));
    REQUIRE(wide.render({.colour = false, .width = 33}) == wide.render({}));
    REQUIRE(wide.render({.colour = false, .width = 20}) == turned);
    REQUIRE(two_backends().render({.colour = false, .width = 20}) == two_backends().render({}));
}

TEST_CASE("Colours surround the text and leave the alignment alone") {
    const std::string plain = two_backends().render({});
    std::string coloured = two_backends().render({.colour = true, .width = 0});

    REQUIRE(coloured.find("\x1b[32m9.42 Gbit/s *\x1b[0m") != std::string::npos);
    for (std::size_t at = coloured.find('\x1b'); at != std::string::npos;
         at = coloured.find('\x1b')) {
        coloured.erase(at, coloured.find('m', at) - at + 1);
    }
    REQUIRE(coloured == plain);
}

TEST_CASE("Width counts code points, not bytes") {
    REQUIRE(overlab::display_width("84.3 µs ± 2") == 11);
    REQUIRE(overlab::display_width("") == 0);
}

TEST_CASE("A column of names is aligned left on request") {
    Table table;
    table.add_row({{"flow"}, {.text = "kind", .left = true}, {"goodput"}});
    table.add_row({{"bulk"}, {"tcp"}, {"1 Gbit/s"}});
    table.add_row({{"rtt"}, {"request_response"}, {"-"}});

    REQUIRE(table.render({}) ==
            "flow  kind               goodput\n"
            "────────────────────────────────\n"
            "bulk  tcp               1 Gbit/s\n"
            "rtt   request_response         -\n");
}
