#include <vector>

#include "sim/tcp_cubic.h"
#include "tests/support/catch.h"

namespace overlab::sim {
namespace {

constexpr std::uint64_t second = 1'000'000;  // CubicWindow counts microseconds

/// The window after `rounds` round trips of `rtt_us`, one acknowledgement a segment.
std::uint32_t grow(CubicWindow& cubic, std::uint32_t window, std::uint64_t& now_us,
                   std::uint64_t rtt_us, unsigned rounds) {
    for (unsigned round = 0; round < rounds; ++round) {
        const std::uint32_t acknowledgements = window;
        for (std::uint32_t i = 0; i < acknowledgements; ++i) {
            window += cubic.growth({now_us + rtt_us * i / acknowledgements, window}, 1);
        }
        now_us += rtt_us;
    }
    return window;
}

TEST_CASE("cube root: exact at and around cubes") {
    CHECK(cube_root(0) == 0);
    CHECK(cube_root(1) == 1);
    for (const std::uint64_t root : {2U, 3U, 10U, 1'000U, 65'536U, 2'642'245U}) {
        INFO(root);
        CHECK(cube_root(root * root * root) == root);
        CHECK(cube_root(root * root * root - 1) == root - 1);
    }
    CHECK(cube_root(~std::uint64_t{0}) == 2'642'245);
}

TEST_CASE("cubic: a loss leaves 717/1024 of the window, never less than two segments") {
    CubicWindow cubic;
    CHECK(cubic.threshold_after_loss(1'024) == 717);
    CHECK(cubic.threshold_after_loss(2) == 2);
}

TEST_CASE("cubic: the window is back at its old maximum after K seconds") {
    CubicWindow cubic;
    const std::uint32_t start = cubic.threshold_after_loss(1'000);
    REQUIRE(start == 700);
    // RFC 9438 §4.2: K = cbrt((W_max - cwnd) / C) = cbrt(300 / 0.4) = 9.09 s.
    std::uint64_t now_us = second;
    const std::uint64_t rtt_us = 100'000;

    const std::uint32_t half_way = grow(cubic, start, now_us, rtt_us, 45);
    const std::uint32_t at_k = grow(cubic, half_way, now_us, rtt_us, 46);
    const std::uint32_t later = grow(cubic, at_k, now_us, rtt_us, 60);

    CHECK(half_way > 940);  // 1000 - 0.4 * 4.55^3 = 962, a little behind
    CHECK(half_way < 1'000);
    CHECK(at_k >= 990);
    CHECK(at_k <= 1'010);
    CHECK(later > 1'070);  // convex: 1000 + 0.4 * 6^3 = 1086
}

TEST_CASE("cubic: short round trips grow as Reno with the same beta would") {
    CubicWindow cubic;
    const std::uint32_t start = cubic.threshold_after_loss(100);
    std::uint64_t now_us = second;

    const std::uint32_t after = grow(cubic, start, now_us, 1'000, 1'000);

    // 3 (1 - 0.7) / (1 + 0.7) = 0.53 segments a round trip; in 1 s the cubic curve alone gives +30.
    CHECK(after > start + 400);
    CHECK(after < start + 560);
}

TEST_CASE(
    "cubic: windows of unlike segment counts give equal growth in time, as super-segments need") {
    // The same acknowledged segments, one by one or 44 at a time.
    for (const std::uint32_t at_once : {1U, 2U, 44U}) {
        INFO(at_once);
        CubicWindow cubic;
        std::uint32_t window = cubic.threshold_after_loss(880);
        std::uint64_t now_us = second;
        for (unsigned round = 0; round < 50; ++round) {
            const std::uint32_t acknowledged = window / at_once;
            for (std::uint32_t i = 0; i < acknowledged; ++i) {
                window += cubic.growth({now_us + 100'000ULL * i / acknowledged, window}, at_once);
            }
            now_us += 100'000;
        }
        CHECK(window > 840);
        CHECK(window < 862);
    }
}

TEST_CASE("hystart: a round trip an eighth longer, at least 4 ms, ends slow start") {
    struct Row {
        std::uint64_t base_us, grown_us;
        bool stops;
    };
    const std::vector<Row> rows{
        {100'000, 112'000, false}, {100'000, 113'000, true},   // an eighth
        {1'000, 4'900, false},     {1'000, 5'100, true},       // at least 4 ms
        {400'000, 415'000, false}, {400'000, 417'000, true}};  // at most 16 ms
    for (const Row& row : rows) {
        INFO(row.base_us << " us, then " << row.grown_us << " us");
        CubicWindow cubic;
        cubic.sample(1, row.base_us);
        bool stopped = false;
        // Acknowledgements 3 ms apart are no train.
        for (std::uint32_t i = 0; i < 9; ++i) {
            stopped = cubic.hystart_says_stop(
                {second + i * 3'000, 100}, row.grown_us,
                {.acked = i, .next = 1'000, .pacing_bytes_per_s = 1'000'000'000});
        }
        CHECK(stopped == row.stops);
    }
}

TEST_CASE("hystart: a train of acknowledgements over half the round trip ends slow start") {
    CubicWindow cubic;
    cubic.sample(1, 10'000);
    const CubicWindow::Round round{.acked = 1, .next = 1'000, .pacing_bytes_per_s = 1'000'000'000};

    std::uint64_t stopped_after_us = 0;
    for (std::uint64_t t = 0; t <= 10'000 && stopped_after_us == 0; t += 500) {
        if (cubic.hystart_says_stop({second + t, 100}, 10'000, round)) stopped_after_us = t;
    }

    CHECK(stopped_after_us == 5'500);  // (10 ms + 262 us of two GSO packets) / 2 = 5.13 ms
}

TEST_CASE("hystart: small windows do not stop slow start") {
    CubicWindow cubic;
    cubic.sample(1, 1'000);
    for (std::uint64_t t = 0; t < 100; ++t) {
        CHECK_FALSE(
            cubic.hystart_says_stop({second + t * 1'000, 15}, 50'000, {1, 1'000, 1'000'000}));
    }
}

}  // namespace
}  // namespace overlab::sim
