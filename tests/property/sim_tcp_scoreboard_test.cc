// The scoreboard, which keeps ranges, against a record of every byte: '.' in flight, 'x' lost, 's'
// delivered.
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "sim/tcp_scoreboard.h"
#include "tests/support/catch.h"

namespace overlab::sim {
namespace {

struct NaiveBoard {
    struct Byte {
        char fate = '.';
        bool again = false;
        std::int64_t sent_ns = 0;
    };
    std::vector<Byte> bytes;  ///< every one ever sent
    std::uint64_t una = 0;
    // RFC 8985 §6.2: of the delivered byte that was sent last.
    std::int64_t latest_sent_ns = -1, latest_rtt_ns = 0, min_rtt_ns = 0;
    std::uint64_t latest = 0;

    [[nodiscard]] std::uint64_t count(char fate) const {
        std::uint64_t sum = 0;
        for (std::uint64_t i = una; i < bytes.size(); ++i) sum += bytes[i].fate == fate ? 1 : 0;
        return sum;
    }
    [[nodiscard]] std::optional<std::uint64_t> first_lost() const {
        for (std::uint64_t i = una; i < bytes.size(); ++i) {
            if (bytes[i].fate == 'x') return i;
        }
        return std::nullopt;
    }
    void deliver(std::uint64_t begin, std::uint64_t end, std::int64_t now_ns) {
        for (std::uint64_t i = begin; i < end; ++i) {
            if (std::exchange(bytes[i].fate, 's') == 's') continue;
            const std::int64_t rtt_ns = now_ns - bytes[i].sent_ns;
            if (bytes[i].again && rtt_ns < min_rtt_ns) continue;
            if (!bytes[i].again && (min_rtt_ns == 0 || rtt_ns < min_rtt_ns)) min_rtt_ns = rtt_ns;
            if (bytes[i].sent_ns < latest_sent_ns) continue;
            if (bytes[i].sent_ns == latest_sent_ns && i < latest) continue;
            latest_sent_ns = bytes[i].sent_ns;
            latest_rtt_ns = rtt_ns;
            latest = i;
        }
    }
    void detect_losses(std::int64_t now_ns) {
        for (std::uint64_t i = una; i < bytes.size(); ++i) {
            Byte& byte = bytes[i];
            const bool before =
                byte.sent_ns < latest_sent_ns || (byte.sent_ns == latest_sent_ns && i < latest);
            const bool overdue = byte.sent_ns + latest_rtt_ns <= now_ns;
            if (byte.fate == '.' && before && overdue) byte.fate = 'x';
        }
    }
};

/// `at` is a hundredth of what is outstanding.
struct Operation {
    unsigned kind, at, bytes;
};

rc::Gen<Operation> any_operation() {
    return rc::gen::build<Operation>(rc::gen::set(&Operation::kind, rc::gen::inRange(0U, 6U)),
                                     rc::gen::set(&Operation::at, rc::gen::inRange(0U, 120U)),
                                     rc::gen::set(&Operation::bytes, rc::gen::inRange(1U, 40U)));
}

void apply(const Operation& op, std::int64_t now_ns, TcpScoreboard& board, NaiveBoard& naive) {
    TcpScoreboard::Delivered delivered;
    const std::uint64_t place = board.una() + (board.next() - board.una()) * op.at / 100;
    switch (op.kind) {
        case 0:
            board.sent(op.bytes, 7, now_ns);
            naive.bytes.resize(naive.bytes.size() + op.bytes, {'.', false, now_ns});
            return;
        case 1: {
            const std::uint64_t offset = std::min(place, board.next());
            board.acknowledge(offset, now_ns, delivered);
            if (offset <= naive.una) return;
            naive.deliver(naive.una, offset, now_ns);
            naive.una = offset;
            return;
        }
        case 2:
            board.sacked({place, place + op.bytes}, now_ns, delivered);
            naive.deliver(place, std::min<std::uint64_t>(place + op.bytes, naive.bytes.size()),
                          now_ns);
            return;
        case 3:
            board.mark_all_lost();
            for (auto& byte : naive.bytes) byte.fate = byte.fate == '.' ? 'x' : byte.fate;
            return;
        case 4:
            if (const auto lost = board.next_lost()) {
                const std::uint64_t end = std::min(lost->end, lost->begin + op.bytes);
                board.sent_again({lost->begin, end}, 7, now_ns);
                for (std::uint64_t i = lost->begin; i < end; ++i) {
                    naive.bytes[i] = {'.', true, now_ns};
                }
            }
            return;
        default:
            // A smoothed round trip of 0 leaves no reordering window: overdue is lost.
            (void)board.detect_losses({.now_ns = now_ns, .min_rtt_ns = 100, .segment_bytes = 7});
            naive.detect_losses(now_ns);
            return;
    }
}

TEST_CASE("scoreboard: every byte has the fate that a record of each byte gives it") {
    const bool held = rc::check([] {
        TcpScoreboard board;
        NaiveBoard naive;
        std::int64_t now_ns = 0;
        for (const Operation& op : *rc::gen::container<std::vector<Operation>>(any_operation())) {
            if (op.kind != 5) now_ns += 50;  // losses are looked for right after an acknowledgement
            apply(op, now_ns, board, naive);

            RC_ASSERT(board.una() == naive.una);
            RC_ASSERT(board.next() == naive.bytes.size());
            RC_ASSERT(board.in_flight() == naive.count('.'));
            RC_ASSERT(board.lost_bytes() == naive.count('x'));
            RC_ASSERT(board.sacked_bytes() == naive.count('s'));
            const auto lost = board.next_lost();
            RC_ASSERT(lost.has_value() == naive.first_lost().has_value());
            if (lost) RC_ASSERT(lost->begin == *naive.first_lost());
        }
    });
    CHECK(held);
}

}  // namespace
}  // namespace overlab::sim
