// How often things that only tick happen in runs of different lengths.
#include "models/scenario/flows.h"
#include "real/world/kernel_world.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("Progress is told every 200 ms, but a thousand times a run at most") {
    CHECK(progress_step(seconds(10)) == milliseconds(200));
    CHECK(progress_step(seconds(200)) == milliseconds(200));
    CHECK(progress_step(hours(720)) == seconds(2592));
}

TEST_CASE("A flow's series has steps of 100 ms, but 36,000 at most") {
    CHECK(series_step(seconds(10)) == milliseconds(100));
    CHECK(series_step(hours(1)) == milliseconds(100));
    CHECK(series_step(hours(720)) == seconds(72));
}

TEST_CASE("Who watches over a silent store looks 24 times in a lease's life") {
    CHECK(quiet_span(seconds(10)) == seconds(1));
    CHECK(quiet_span(hours(1)) == seconds(150));
    CHECK(quiet_span(hours(24)) == hours(1));
    CHECK(quiet_span(hours(1000)) == hours(1));
}
