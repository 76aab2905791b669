// A host's clock against a plain model of it: what fires when, whatever is done to the clock.
#include "models/fault/host_clock.h"

#include <map>
#include <vector>

#include "tests/support/property.h"
#include "tests/support/virtual_runtime.h"

using namespace overlab;
using namespace overlab::test;

namespace {

/// Host time in millionths of a nanosecond, moved forward one world nanosecond at a time.
struct PlainClock {
    std::int64_t millionths = 0, rate = 1'000'000;
    bool paused = false;
    std::map<std::pair<std::int64_t, std::uint64_t>, int> pending;  // (when, order of asking)
    std::uint64_t asked = 0;
    std::vector<int> fired;

    [[nodiscard]] std::int64_t now() const { return millionths / 1'000'000; }
    void fire() {
        while (!paused && !pending.empty() && pending.begin()->first.first <= now()) {
            fired.push_back(pending.begin()->second);
            pending.erase(pending.begin());
        }
    }
    void pass(std::int64_t world_ns) {
        for (std::int64_t i = 0; i < world_ns; ++i) {
            millionths += rate;
            fire();
        }
    }
};

struct Pair {
    VirtualRuntime world;
    HostClock clock{world};
    PlainClock plain;
    std::vector<int> fired;
    std::map<int, TimerId> timers;
    int last = 0;

    void ask(std::int64_t delay) {
        const int name = ++last;
        const std::int64_t when = plain.now() + std::max<std::int64_t>(delay, 0);
        plain.pending[{when, ++plain.asked}] = name;
        timers[name] =
            clock.call_at(Instant{plain.now() + delay}, [this, name] { fired.push_back(name); });
    }
    void cancel(int name) {
        std::erase_if(plain.pending, [&](const auto& one) { return one.second == name; });
        clock.cancel(timers[name]);
    }
    void step() {
        switch (*rc::gen::inRange(0, 10)) {
            case 0:
                plain.paused = true;
                clock.pause();
                break;
            case 1:
                plain.paused = false;
                clock.resume();
                break;
            case 2: {
                const std::int64_t jump = *rc::gen::inRange(0, 30);
                plain.millionths += jump * 1'000'000;
                clock.jump({jump});
                break;
            }
            case 3: {
                const auto ppm = *rc::gen::inRange<std::int32_t>(-999'999, 5'000'000);
                plain.rate = 1'000'000 + ppm;
                clock.set_drift(ppm);
                break;
            }
            case 4:
                if (last > 0) cancel(*rc::gen::inRange(1, last + 1));
                break;
            case 5:
                plain.pending.clear();
                clock.clear();
                break;
            default:
                ask(*rc::gen::inRange(-5, 60));
                break;
        }
    }
};

}  // namespace

TEST_CASE("what fires, in which order and when is exact under any jumps, drifts and pauses") {
    holds([] {
        Pair pair;
        const int steps = *rc::gen::inRange(1, 40);
        for (int i = 0; i < steps; ++i) {
            pair.step();
            const std::int64_t pass = *rc::gen::inRange(0, 25);
            pair.plain.fire();
            pair.plain.pass(pass);
            RC_ASSERT(pair.world.run_for({pass}));
            RC_ASSERT(pair.clock.now().ns == pair.plain.now());
            RC_ASSERT(pair.fired == pair.plain.fired);
        }
    });
}
