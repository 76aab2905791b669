// LeanRuntime against VirtualRuntime: whatever is asked of both, the same actions run at the same
// instants in the same order.
#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "models/base/rng.h"
#include "models/control/lean_runtime.h"
#include "models/crosscheck/virtual_runtime.h"

namespace overlab {
namespace {

using Trace = std::vector<std::pair<std::int64_t, std::uint64_t>>;

/// Actions that ask for others and cancel some, as drawn from `seed`; what ran, and when.
class Script {
   public:
    Script(Runtime& runtime, std::uint64_t seed)
        : runtime_(runtime), rng_(Rng::stream(seed, "script")) {}

    void ask() {
        const std::uint64_t name = ++last_;
        const Instant when{runtime_.now().ns + static_cast<std::int64_t>(rng_.below(20)) - 3};
        timers_.push_back(runtime_.call_at(when, [this, name] { ran(name); }));
    }

    Trace trace;

   private:
    void ran(std::uint64_t name) {
        trace.emplace_back(runtime_.now().ns, name);
        for (std::uint64_t more = rng_.below(4); more > 0 && last_ < 600; --more) ask();
        // Also those that ran already: they are ignored.
        for (std::uint64_t less = rng_.below(3); less > 0; --less) {
            runtime_.cancel(timers_[rng_.below(timers_.size())]);
        }
    }

    Runtime& runtime_;
    Rng rng_;
    std::uint64_t last_ = 0;
    std::vector<TimerId> timers_;
};

}  // namespace

TEST_CASE("LeanRuntime runs what VirtualRuntime runs, in its order") {
    CHECK(rc::check([](std::uint64_t seed) {
        VirtualRuntime plain;
        LeanRuntime lean;
        Script expected(plain, seed);
        Script actual(lean, seed);
        for (int i = 0; i < 100; ++i) {
            expected.ask();
            actual.ask();
        }
        RC_ASSERT(plain.run_until({40}));
        lean.run_until({40});
        RC_ASSERT(actual.trace == expected.trace);
        RC_ASSERT(lean.pending() == plain.pending());
        RC_ASSERT(plain.run_all());
        while (lean.step()) {
        }
        RC_ASSERT(actual.trace == expected.trace);
        RC_ASSERT(lean.now() == plain.now());
        RC_ASSERT(lean.steps() == plain.steps());
    }));
}

TEST_CASE("LeanRuntime sweeps out the cancelled when they outnumber the living") {
    LeanRuntime runtime;
    std::vector<TimerId> timers;
    int ran = 0;
    for (int i = 0; i < 1000; ++i) timers.push_back(runtime.call_at({i}, [&] { ++ran; }));
    for (int i = 0; i < 990; ++i) runtime.cancel(timers[static_cast<std::size_t>(i)]);

    CHECK(runtime.pending() == 10);
    runtime.run_until({2000});

    CHECK(ran == 10);
    CHECK(runtime.now() == Instant{2000});
}

}  // namespace overlab
