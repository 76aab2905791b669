#include "results/statistics.h"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

using overlab::estimate;
using overlab::student_t95;

TEST_CASE("An estimate of no samples is nothing, of one sample has no interval") {
    REQUIRE_FALSE(estimate({}).has_value());

    const std::array<double, 1> one{9.4};
    REQUIRE(estimate(one) == overlab::Estimate{9.4, 0, 1});
}

TEST_CASE("The interval is Student's: four samples with s = 1.2910") {
    const std::array<double, 4> samples{1, 2, 3, 4};

    const auto result = estimate(samples);

    REQUIRE(result->mean == Approx(2.5));
    REQUIRE(result->half_width == Approx(3.182 * 1.2910 / 2).epsilon(1e-4));
    REQUIRE(result->count == 4);
}

TEST_CASE("Equal samples have an interval of zero") {
    const std::vector<double> samples(7, 1450.0);

    REQUIRE(estimate(samples)->half_width == 0);
}

TEST_CASE("The t quantile falls towards the normal one without a step at the end of the table") {
    REQUIRE(student_t95(1) == Approx(12.706));
    REQUIRE(student_t95(30) == Approx(2.042));
    REQUIRE(student_t95(40) == Approx(2.0211).epsilon(1e-4));
    REQUIRE(student_t95(120) == Approx(1.9799).epsilon(1e-4));
    for (unsigned degrees = 1; degrees < 200; ++degrees) {
        REQUIRE(student_t95(degrees + 1) < student_t95(degrees));
    }
}
