#include "results/walk_text.h"

#include "tests/support/catch.h"

using namespace overlab;

namespace {

Walk delivered_walk() {
    return {.disposition = Disposition::delivered,
            .at = "h2",
            .steps = {{"h1", "pod", "10.244.1.2 sends to 10.244.2.2", "", 84, 1450},
                      {"h1", "route", "next hop 10.244.2.0",
                       "route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink", 84, 1450},
                      {"h2", "deliver", "to the pod", "", 84, 0}}};
}

}  // namespace

TEST_CASE("A walk is numbered and aligned, quotes the deciding row and ends with its disposition") {
    REQUIRE(walk_text(delivered_walk()) ==
            "1  h1  pod      10.244.1.2 sends to 10.244.2.2  84 B of 1450\n"
            "2  h1  route    next hop 10.244.2.0             84 B of 1450\n"
            "                `route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink`\n"
            "3  h2  deliver  to the pod                      84 B\n"
            "delivered (at h2)\n");
}

TEST_CASE("The way back follows the way there") {
    const Walk there = delivered_walk();
    const Walk lost{.disposition = Disposition::fdb_miss,
                    .at = "h2",
                    .steps = {{"h2", "fdb", "no row", "", 84, 0}}};

    REQUIRE(round_trip_text(there, &lost) ==
            walk_text(there) +
                "\nand back:\n"
                "1  h2  fdb  no row  84 B\n"
                "dropped: the tunnel device does not know the MAC address (at h2)\n");
}
