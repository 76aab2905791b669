#include "cli/progress.h"

#include <catch2/catch.hpp>

using overlab::cli::progress_text;

TEST_CASE("Progress says how much is done, how long it will take and who is at work") {
    REQUIRE(progress_text({"vxlan", "udp, seed 2"}, 0.25, 10) ==
            "[######..................]  25 %  30 s left  (vxlan; udp, seed 2)");
    REQUIRE(progress_text({}, 1, 10) == "[########################] 100 %  0 s left");
}

TEST_CASE("The time left is not guessed from the first moments") {
    REQUIRE(progress_text({}, 0.01, 10) == "[........................]   1 %");
}

TEST_CASE("Long waits are told in minutes") {
    REQUIRE(progress_text({}, 0.5, 600) == "[############............]  50 %  10 min left");
}
