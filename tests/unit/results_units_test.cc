#include "results/units.h"

#include <catch2/catch.hpp>
#include <string>

using overlab::Estimate;
using overlab::format_estimate;
using overlab::format_quantity;
using overlab::Unit;

TEST_CASE("Quantities have three significant digits and a prefix") {
    struct Row {
        const char* name;
        double value;
        Unit unit;
        const char* text;
    };
    const Row row = GENERATE(
        Row{"line rate", 9'415'300'000, Unit::bits_per_second, "9.42 Gbit/s"},
        Row{"ten", 10'000'000'000, Unit::bits_per_second, "10.0 Gbit/s"},
        Row{"just below the next prefix", 999'600'000, Unit::bits_per_second, "1.00 Gbit/s"},
        Row{"well below it", 999'400'000, Unit::bits_per_second, "999 Mbit/s"},
        Row{"nothing", 0, Unit::bits_per_second, "0 bit/s"},
        Row{"microseconds", 84'321, Unit::nanoseconds, "84.3 µs"},
        Row{"whole nanoseconds", 7, Unit::nanoseconds, "7 ns"},
        Row{"milliseconds", 4'200'000, Unit::nanoseconds, "4.20 ms"},
        Row{"bytes stay whole", 1450, Unit::bytes, "1450 B"},
        Row{"percent", 9.0912, Unit::percent, "9.09 %"},
        Row{"CPU per byte", 0.3512, Unit::ns_per_byte, "0.35 ns/B"},
        Row{"a count", 12, Unit::count, "12"}, Row{"a mean of counts", 12.5, Unit::count, "12.5"});

    INFO(row.name);
    REQUIRE(format_quantity(row.value, row.unit) == row.text);
}

TEST_CASE("An interval is written in the mean's scale and places") {
    const Estimate rate{.mean = 9'400'000'000, .half_width = 31'000'000, .count = 5};
    REQUIRE(format_estimate(rate, Unit::bits_per_second) == "9.40 ± 0.03 Gbit/s");

    const Estimate time{.mean = 123'400, .half_width = 1'600, .count = 5};
    REQUIRE(format_estimate(time, Unit::nanoseconds) == "123 ± 2 µs");
}
