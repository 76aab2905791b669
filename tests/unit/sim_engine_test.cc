// The engine under ns-3: one order for our events and ns-3's, ns-3's rules for cancelled and
// expired ones.
#include <ns3/simulator.h>

#include <string>

#include "sim/engine.h"
#include "tests/support/catch.h"

using namespace overlab;

namespace {

struct InstalledEngine {
    sim::Engine& engine = sim::Engine::install();
    ~InstalledEngine() { sim::Engine::uninstall(); }
};

std::string log_text;
void write(char letter) { log_text += letter; }

}  // namespace

TEST_CASE("ns-3's events and timers of one instant run in the order they were asked for") {
    InstalledEngine world;
    sim::EngineRuntime runtime(world.engine);
    log_text.clear();

    ns3::Simulator::Schedule(ns3::NanoSeconds(10), &write, 'b');
    runtime.call_at({10}, [] { write('c'); });
    ns3::Simulator::Schedule(ns3::NanoSeconds(5), &write, 'a');
    ns3::Simulator::Schedule(ns3::NanoSeconds(10), &write, 'd');
    world.engine.run_until(10);

    CHECK(log_text == "abcd");
    CHECK(world.engine.now_ns() == 10);
}

TEST_CASE("events after the end wait, and time stands at the end") {
    InstalledEngine world;
    log_text.clear();
    ns3::Simulator::Schedule(ns3::NanoSeconds(11), &write, 'x');

    world.engine.run_until(10);
    CHECK(log_text.empty());
    CHECK(world.engine.now_ns() == 10);

    world.engine.run_until(20);
    CHECK(log_text == "x");
    CHECK(world.engine.now_ns() == 20);
}

TEST_CASE("a cancelled event does not run") {
    InstalledEngine world;
    sim::EngineRuntime runtime(world.engine);
    log_text.clear();

    ns3::EventId event = ns3::Simulator::Schedule(ns3::NanoSeconds(5), &write, 'x');
    const TimerId timer = runtime.call_at({5}, [] { write('y'); });
    event.Cancel();
    runtime.cancel(timer);
    runtime.cancel(timer);  // again: ignored
    world.engine.run_until(10);

    CHECK(log_text.empty());
}

TEST_CASE("an event is expired once it runs, not before") {
    InstalledEngine world;
    log_text.clear();
    ns3::EventId first = ns3::Simulator::Schedule(ns3::NanoSeconds(5), &write, '1');
    ns3::EventId second;
    ns3::Simulator::Schedule(
        ns3::NanoSeconds(5),
        +[](ns3::EventId* earlier, ns3::EventId* later) {
            CHECK(earlier->IsExpired());      // ran at this very instant
            CHECK_FALSE(later->IsExpired());  // of this instant, still to come
        },
        &first, &second);
    second = ns3::Simulator::Schedule(ns3::NanoSeconds(5), &write, '2');

    CHECK_FALSE(first.IsExpired());
    world.engine.run_until(10);

    CHECK(log_text == "12");
    CHECK(second.IsExpired());
}

TEST_CASE("a runtime that is gone leaves no timer behind") {
    InstalledEngine world;
    log_text.clear();
    {
        sim::EngineRuntime runtime(world.engine);
        runtime.call_at({5}, [] { write('x'); });
    }
    world.engine.run_until(10);

    CHECK(log_text.empty());
}
