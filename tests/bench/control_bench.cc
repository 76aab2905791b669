// How many histories a second the control world runs: five nodes, seven simulated days, leases of a
// day, twenty faults of mixed kinds, invariants on (the target is 300 on one core); and how far that
// is from a bare event loop that does nothing as often.
//
//   overlab_bench_control [--benchmark_filter=...]
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "models/base/check.h"
#include "models/control/control_world.h"
#include "models/control/lean_runtime.h"
#include "models/fuzz/fuzz_scenario.h"

namespace overlab::bench {
namespace {

constexpr std::uint64_t scenarios = 64;

std::vector<Scenario> draw() {
    FuzzOptions options{.min_hosts = 5, .max_hosts = 5, .min_faults = 20, .max_faults = 20};
    options.duration = hours(7 * 24);
    std::vector<Scenario> all;
    for (std::uint64_t seed = 1; seed <= scenarios; ++seed) {
        all.push_back(draw_scenario(seed, options));
    }
    return all;
}

void history(benchmark::State& state) {
    const std::vector<Scenario> all = draw();
    std::size_t next = 0;
    std::uint64_t events = 0;
    std::uint64_t violations = 0;
    for (auto _ : state) {
        const Scenario& scenario = all[next++ % all.size()];
        auto world = ControlWorld::build(scenario, scenario.seed);
        CHECK(world.has_value());
        (*world)->run(true);
        events += (*world)->events();
        violations += (*world)->violations().size();
    }
    const auto runs = static_cast<double>(state.iterations());
    state.counters["histories/s"] = benchmark::Counter(runs, benchmark::Counter::kIsRate);
    state.counters["events/s"] =
        benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
    state.counters["events"] = static_cast<double>(events) / runs;
    state.counters["violations"] = static_cast<double>(violations) / runs;
}
BENCHMARK(history)->Unit(benchmark::kMillisecond)->MinTime(3);

/// The floor: as many events as a history has, and nothing in them.
void empty_events(benchmark::State& state) {
    std::uint64_t events = 0;
    for (auto _ : state) {
        LeanRuntime runtime;
        std::function<void()> again = [&] { runtime.call_after(minutes(10), again); };
        for (int i = 0; i < 20; ++i) runtime.call_after(seconds(i), [&] { again(); });
        runtime.run_until({hours(7 * 24).ns});
        events += runtime.steps();
    }
    state.counters["events/s"] =
        benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
}
BENCHMARK(empty_events)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace overlab::bench

BENCHMARK_MAIN();
