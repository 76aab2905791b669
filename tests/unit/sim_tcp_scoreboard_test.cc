
#include "sim/tcp_prr.h"
#include "sim/tcp_scoreboard.h"
#include "tests/support/catch.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t mss = 1000;
constexpr std::int64_t us = 1'000;

TcpScoreboard::RackContext at(std::int64_t now_ns, bool in_recovery = false) {
    return {.now_ns = now_ns,
            .min_rtt_ns = 100 * us,
            .smoothed_rtt_ns = 100 * us,
            .in_recovery = in_recovery,
            .segment_bytes = mss};
}

TEST_CASE("scoreboard: an acknowledgement moves una and gives a round trip sample") {
    TcpScoreboard board;
    board.sent(4 * mss, mss, 0);
    TcpScoreboard::Delivered delivered;

    board.acknowledge(3 * mss, 100 * us, delivered);

    CHECK(board.una() == 3 * mss);
    CHECK(board.in_flight() == mss);
    CHECK(delivered.acked_bytes == 3 * mss);
    CHECK(delivered.newly_bytes == 3 * mss);
    CHECK(delivered.rtt_ns == 100 * us);
}

TEST_CASE("scoreboard: one segment lost inside a super-segment is the only one sent again") {
    TcpScoreboard board;
    board.sent(44 * mss, mss, 0);
    TcpScoreboard::Delivered delivered;

    board.acknowledge(10 * mss, 100 * us, delivered);
    board.sacked({11 * mss, 44 * mss}, 100 * us, delivered);
    const auto losses = board.detect_losses(at(100 * us));

    CHECK(losses.bytes == mss);
    CHECK(losses.wait_ns == 0);
    REQUIRE(board.next_lost().has_value());
    CHECK(*board.next_lost() == ByteRange{10 * mss, 11 * mss});
    CHECK(board.in_flight() == 0);
}

TEST_CASE("scoreboard: fewer than three overtaking segments wait a quarter of a round trip") {
    TcpScoreboard board;
    board.sent(mss, mss, 0);
    board.sent(2 * mss, mss, 0);
    TcpScoreboard::Delivered delivered;
    board.sacked({mss, 3 * mss}, 100 * us, delivered);

    const auto early = board.detect_losses(at(100 * us));
    const auto late = board.detect_losses(at(100 * us + early.wait_ns));

    CHECK(early.bytes == 0);
    CHECK(early.wait_ns == 100 * us / 8);  // the smoothed round trip bounds it
    CHECK(late.bytes == mss);
}

TEST_CASE("scoreboard: a lost retransmission is found when something sent later arrives") {
    TcpScoreboard board;
    TcpScoreboard::Delivered delivered;
    board.sent(10 * mss, mss, 0);
    board.sacked({mss, 10 * mss}, 100 * us, delivered);
    (void)board.detect_losses(at(100 * us));
    board.sent_again({0, mss}, mss, 100 * us);
    board.sent(mss, mss, 101 * us);
    REQUIRE(board.lost_bytes() == 0);

    board.sacked({10 * mss, 11 * mss}, 201 * us, delivered);
    const auto losses = board.detect_losses(at(201 * us, true));

    CHECK(losses.bytes == mss);
    CHECK(*board.next_lost() == ByteRange{0, mss});
}

TEST_CASE("scoreboard: a timeout loses all but what is known to have arrived") {
    TcpScoreboard board;
    TcpScoreboard::Delivered delivered;
    board.sent(10 * mss, mss, 0);
    board.sacked({4 * mss, 6 * mss}, 100 * us, delivered);

    board.mark_all_lost();

    CHECK(board.lost_bytes() == 8 * mss);
    CHECK(board.in_flight() == 0);
    CHECK(*board.next_lost() == ByteRange{0, 4 * mss});
}

TEST_CASE("scoreboard: a lower path MTU loses what left in larger packets") {
    TcpScoreboard board;
    board.sent(10 * 1448, 1448, 0);
    board.sent(700, 1448, 0);  // one short packet: it fits

    CHECK(board.mark_larger_lost(1348) == 10 * 1448);

    CHECK(*board.next_lost() == ByteRange{0, 10 * 1448});
    CHECK(board.in_flight() == 700);
}

TEST_CASE("scoreboard: bytes add up whatever is acknowledged") {
    TcpScoreboard board;
    TcpScoreboard::Delivered delivered;
    board.sent(10 * mss, mss, 0);
    board.sacked({9 * mss, 20 * mss}, 50 * us, delivered);  // beyond what was sent: cut off
    board.sacked({2'500, 3'500}, 60 * us, delivered);       // inside segments
    board.sacked({2'000, 4'000}, 70 * us, delivered);       // overlaps the one before
    board.acknowledge(3'000, 80 * us, delivered);

    CHECK(board.sacked_bytes() == 2'000);
    CHECK(board.in_flight() == 5'000);
    CHECK(delivered.newly_bytes == 2'000 + 2'000 + 1'000);
}

TEST_CASE("proportional rate reduction: the window shrinks to ssthresh as data is delivered") {
    ProportionalRateReduction prr;
    prr.enter(100 * mss);
    std::uint64_t in_flight = 100 * mss;
    std::uint64_t sent = 0;

    for (int i = 0; i < 99; ++i) {
        in_flight -= mss;
        const std::uint64_t window = prr.window_after({.in_flight = in_flight,
                                                       .ssthresh = 70 * mss,
                                                       .newly_delivered = mss,
                                                       .segment_bytes = mss,
                                                       .safe = true});
        while (in_flight + mss <= window) {
            in_flight += mss;
            sent += mss;
            prr.sent(mss);
        }
    }

    CHECK(in_flight >= 69 * mss);
    CHECK(in_flight <= 71 * mss);
    CHECK(sent >= 69 * mss);  // 0.7 of what was delivered
}

TEST_CASE("proportional rate reduction: the first retransmission leaves at once") {
    ProportionalRateReduction prr;
    prr.enter(10 * mss);
    CHECK(prr.window_after({.in_flight = 8 * mss,
                            .ssthresh = 7 * mss,
                            .newly_delivered = 0,
                            .segment_bytes = mss,
                            .safe = false}) == 9 * mss);
}

}  // namespace
}  // namespace overlab::sim
