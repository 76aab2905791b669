// The event queue against std::priority_queue: the same order for any mix of near, far and
// simultaneous events.
#include <queue>
#include <utility>
#include <vector>

#include "sim/event_queue.h"
#include "tests/support/property.h"

using namespace overlab;
using Key = std::pair<std::int64_t, std::uint64_t>;

namespace {

/// Distances that reach every part of the wheel: the same instant, buckets, both wheels, beyond.
std::int64_t draw_distance() {
    const auto magnitude = *rc::gen::inRange(0, 44);
    return *rc::gen::inRange<std::int64_t>(0, (std::int64_t{1} << magnitude) + 1);
}

}  // namespace

TEST_CASE("an event from beyond the wheels comes before a later one inside them") {
    sim::EventQueue<int> queue;
    constexpr std::int64_t second = 1'000'000'000;
    queue.push(5 * second, 0, 0);  // beyond the wheels' reach, 4.3 s
    queue.push(2 * second, 1, 0);
    CHECK(queue.pop().sequence == 1);  // the reach is 6.3 s now

    queue.push(6 * second, 2, 0);
    queue.push(5 * second, 3, 0);

    CHECK(queue.pop().sequence == 0);
    CHECK(queue.pop().sequence == 3);
    CHECK(queue.pop().sequence == 2);
}

TEST_CASE("events leave the queue by time, simultaneous ones in the order they came") {
    test::holds(
        [] {
            sim::EventQueue<int> queue;
            std::priority_queue<Key, std::vector<Key>, std::greater<>> model;
            std::int64_t now = 0;
            std::uint64_t sequence = 0;
            const auto steps = *rc::gen::inRange(1, 200);
            for (int step = 0; step < steps; ++step) {
                if (model.empty() || *rc::gen::weightedElement<bool>({{3, true}, {2, false}})) {
                    const std::int64_t time = now + draw_distance();
                    queue.push(time, sequence, 7);
                    model.emplace(time, sequence++);
                } else {
                    RC_ASSERT(queue.next_time_ns() == model.top().first);
                    const auto entry = queue.pop();
                    RC_ASSERT(std::pair(entry.time_ns, entry.sequence) == model.top());
                    now = entry.time_ns;
                    model.pop();
                }
                RC_ASSERT(queue.size() == model.size());
            }
            for (; !model.empty(); model.pop()) {
                const auto entry = queue.pop();
                RC_ASSERT(std::pair(entry.time_ns, entry.sequence) == model.top());
            }
            RC_ASSERT(queue.empty());
        },
        3000);
}
