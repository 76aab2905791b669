// Random streams: the same draws everywhere, and none of them shared.
#include "models/base/rng.h"

#include <catch2/catch.hpp>

#include <array>
#include <map>
#include <string>

using namespace overlab;

TEST_CASE("the first draws of a stream are fixed numbers") {
    // From an independent implementation of FNV-1a, splitmix64 and xoshiro256**. A change here
    // would change every result ever recorded.
    const struct {
        std::uint64_t seed;
        const char* name;
        std::array<std::uint64_t, 3> draws;
    } rows[] = {
        {1, "host-1/arp-jitter", {0xfeb22a43a40e342a, 0x0033214d5caf2ef4, 0xb7258cf340b66633}},
        {1, "host-2/arp-jitter", {0xcb38add3786e2a80, 0x763f23173fa8234a, 0xd609362dd4528fd4}},
        {2, "host-1/arp-jitter", {0xf55d0b49c44749de, 0xde194d3f9af9a518, 0x8c82f4ddea79fc65}},
        {0, "", {0x21382ef092ed7068, 0x5b54c052757adf62, 0xa64cb2cf68795072}},
    };
    for (const auto& row : rows) {
        INFO(row.seed << " " << row.name);
        auto rng = Rng::stream(row.seed, row.name);
        for (const std::uint64_t draw : row.draws) CHECK(rng.next() == draw);
    }
}

TEST_CASE("draws below a bound are fixed numbers too") {
    auto rng = Rng::stream(1, "host-1/arp-jitter");
    for (const std::uint64_t draw : {994U, 0U, 715U, 956U, 251U}) CHECK(rng.below(1000) == draw);
}

TEST_CASE("drawing from one stream leaves the others alone") {
    auto alone = Rng::stream(7, "host-1/store");
    auto beside = Rng::stream(7, "host-1/store");
    auto other = Rng::stream(7, "host-2/store");

    for (int i = 0; i < 100; ++i) {
        (void)other.next();
        CHECK(beside.next() == alone.next());
    }
}

TEST_CASE("streams of different names agree in no more bits than chance allows") {
    // 64000 bit pairs: 32000 agree, with a standard deviation of 126. Six of them.
    for (const char* name : {"host-2/x", "host-1/y", "host-1/x ", "host-11/x"}) {
        auto a = Rng::stream(1, "host-1/x");
        auto b = Rng::stream(1, name);
        int agreeing = 0;
        for (int i = 0; i < 1000; ++i) agreeing += 64 - __builtin_popcountll(a.next() ^ b.next());
        INFO(name);
        CHECK(std::abs(agreeing - 32000) < 760);
    }
}

TEST_CASE("draws below a bound are even, also where the bound is no power of two") {
    auto rng = Rng::stream(3, "even");
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 60'000; ++i) ++seen[rng.below(6)];

    // 10000 expected a side, with a standard deviation of 91. Six of them.
    REQUIRE(seen.size() == 6);
    for (const auto& [side, count] : seen) {
        INFO(side);
        CHECK(std::abs(count - 10'000) < 550);
    }
}

TEST_CASE("draws stay below the bound at its extremes") {
    auto rng = Rng::stream(4, "bounds");
    for (const std::uint64_t bound :
         {std::uint64_t{1}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        for (int i = 0; i < 100; ++i) CHECK(rng.below(bound) < bound);
    }
}

TEST_CASE("a chance is exact at its ends and near its ratio between them") {
    auto rng = Rng::stream(5, "loss");
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) {
        CHECK_FALSE(rng.chance(0, 7));
        CHECK(rng.chance(7, 7));
        hits += rng.chance(1, 100) ? 1 : 0;
    }
    CHECK(std::abs(hits - 100) < 60);  // six standard deviations
}

TEST_CASE("the string hash is FNV-1a") {
    CHECK(stable_hash("") == 0xcbf29ce484222325);
    CHECK(stable_hash("a") == 0xaf63dc4c8601ec8c);
    CHECK(stable_hash("foobar") == 0x85944171f73967e8);
}
