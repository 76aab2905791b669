// A host's clock over the world's.
#include "models/fault/host_clock.h"

#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/virtual_runtime.h"

using namespace overlab;
using namespace overlab::test;

namespace {

struct Host {
    VirtualRuntime world;
    HostClock clock{world};
    std::vector<std::string> fired;

    /// Writes down its name and the world's time.
    TimerId timer(std::int64_t at_ns, const std::string& name) {
        return clock.call_at({at_ns}, [this, name] {
            fired.push_back(name + "@" + std::to_string(world.now().ns));
        });
    }
    void until(std::int64_t ns) { REQUIRE(world.run_until({ns})); }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a clock that runs right is not there") {
    Host host;
    host.timer(20, "b");
    host.timer(10, "a");
    host.timer(20, "c");
    host.timer(-5, "past");
    host.until(100);

    CHECK(host.fired == Lines{"past@0", "a@10", "b@20", "c@20"});
    CHECK(host.clock.now() == Instant{100});
}

TEST_CASE("what comes due in a jump fires at once, in the order it was due") {
    Host host;
    host.timer(60, "b");
    host.timer(50, "a");
    host.timer(200, "later");
    host.until(10);
    host.clock.jump({100});
    CHECK(host.clock.now() == Instant{110});
    host.until(1000);

    CHECK(host.fired == Lines{"a@10", "b@10", "later@100"});
}

TEST_CASE("a paused host is late, and then does at once what was due, in order") {
    Host host;
    host.timer(30, "b");
    host.timer(20, "a");
    host.timer(90, "later");
    host.until(10);
    host.clock.pause();
    host.timer(15, "asked for in the pause");
    host.until(50);
    CHECK(host.fired.empty());
    CHECK(host.clock.paused());
    CHECK(host.clock.now() == Instant{50});
    host.clock.resume();
    host.until(100);

    CHECK(host.fired == Lines{"asked for in the pause@50", "a@50", "b@50", "later@90"});
}

TEST_CASE("a fast clock shows every millionth nanosecond, and none gets lost when rates change") {
    Host host;
    host.clock.set_drift(100);
    for (std::int64_t ns = 0; ns < 1'000'000; ns += 7) {
        host.until(ns);
        host.clock.set_drift(100);
    }
    host.until(1'000'000);
    CHECK(host.clock.now() == Instant{1'000'100});

    host.clock.set_drift(-100);
    host.until(2'000'000);
    CHECK(host.clock.now() == Instant{2'000'000});
}

TEST_CASE("timers of a drifting clock fire when it shows their time, not before") {
    Host host;
    host.clock.set_drift(-500'000);
    host.timer(10, "a");
    host.until(40);
    CHECK(host.fired == Lines{"a@20"});
    host.clock.set_drift(0);
    host.timer(30, "b");
    host.until(100);
    CHECK(host.fired == Lines{"a@20", "b@50"});
}

TEST_CASE("a fast clock keeps the order of its own instants within one of the world's") {
    Host host;
    host.clock.set_drift(9'000'000);
    host.timer(29, "c");
    host.timer(25, "b");
    host.timer(21, "a");
    host.until(10);

    CHECK(host.fired == Lines{"a@3", "b@3", "c@3"});
}

TEST_CASE("cancelled and cleared timers never fire, and the world has none left") {
    Host host;
    const TimerId gone = host.timer(10, "gone");
    host.timer(20, "stays");
    host.clock.cancel(gone);
    host.clock.cancel(gone);
    host.clock.cancel({});
    host.until(30);
    CHECK(host.fired == Lines{"stays@20"});

    host.timer(40, "cleared");
    host.clock.pause();
    host.timer(50, "cleared too");
    host.clock.resume();
    host.clock.clear();
    CHECK(host.world.pending() == 0);
    host.timer(60, "new");
    host.until(100);
    CHECK(host.fired == Lines{"stays@20", "new@60"});
}

TEST_CASE("an action may clear the clock, or end it") {
    VirtualRuntime world;
    auto clock = std::make_unique<HostClock>(world);
    int fired = 0;
    clock->call_at({1}, [&] {
        ++fired;
        clock->clear();
    });
    clock->call_at({1}, [&] { ++fired; });
    clock->call_at({2}, [&] { ++fired; });
    REQUIRE(world.run_until({1}));
    CHECK(fired == 1);

    clock->call_at({3}, [&] { clock.reset(); });
    clock->call_at({4}, [&] { ++fired; });
    REQUIRE(world.run_all());
    CHECK(fired == 1);
}
