// The simulated half of a cross-check against a second model in the kernel's place: histories pass,
// and a mistake planted in either half is found and made small.
#include <fmt/format.h>

#include "models/crosscheck/crosscheck.h"
#include "models/crosscheck/history_generator.h"
#include "models/crosscheck/shrink.h"
#include "sim/sim_cross_side.h"
#include "tests/support/catch.h"
#include "tests/support/fake_kernel_side.h"

using namespace overlab;
using namespace overlab::test;

namespace {

std::optional<CrossDifference> run(SimSide& sim, KernelSide& kernel, const History& history) {
    Crosscheck check(sim, kernel);
    auto found = check.run(history);
    INFO((found ? "" : found.error().what));
    REQUIRE(found.has_value());
    return *found;
}

/// The first history in which the planted mistake shows, made small.
Shrunk find_and_shrink(SimSide& sim, KernelSide& kernel) {
    for (std::uint64_t index = 0; index < 100; ++index) {
        const History history = generate_history(1, index);
        if (!run(sim, kernel, history)) continue;
        return shrink(
            history, [&](const History& smaller) { return run(sim, kernel, smaller).has_value(); });
    }
    FAIL("100 histories pass in spite of the mistake");
    return {};
}

std::optional<RowChange> as_it_is(const RowChange& change) { return change; }

template <typename Kind>
Warp altering(std::function<void(Kind&)> alter) {
    return [alter = std::move(alter)](const RowChange& change) -> std::optional<RowChange> {
        RowChange altered = change;
        if (Kind* row = std::get_if<Kind>(&altered.row)) alter(*row);
        return altered;
    };
}

std::optional<RowChange> loses_fdb_rows(const RowChange& change) {
    const bool lost =
        change.action == RowChange::Action::install && std::holds_alternative<FdbRow>(change.row);
    return lost ? std::nullopt : std::optional(change);
}

/// Keeps routes that should go, as a kernel would whose deletion asks for too much.
std::optional<RowChange> keeps_routes(const RowChange& change) {
    const bool kept = change.action == RowChange::Action::withdraw &&
                      std::holds_alternative<RouteRow>(change.row);
    return kept ? std::nullopt : std::optional(change);
}

}  // namespace

TEST_CASE("histories pass between the simulated hosts and a second model") {
    sim::SimCrossSide sim;
    FakeKernelSide kernel;
    Crosscheck check(sim, kernel);
    for (std::uint64_t index = 0; index < 300; ++index) {
        const auto found = check.run(generate_history(7, index));
        REQUIRE(found.has_value());
        INFO("history " << index << " " << (*found ? (*found)->to_string() : ""));
        REQUIRE_FALSE(*found);
    }
    CHECK(check.counts().histories == 300);
    CHECK(check.counts().rows > 10'000);
    // The probes reach most ends that a walk can have.
    for (const char* end : {"delivered", "no_route", "neighbour_unresolved", "fdb_miss",
                            "tunnel_peer_missing", "ttl_expired", "no_listener", "sa_missing"}) {
        INFO(end);
        CHECK(check.counts().probes.contains(end));
    }
    CHECK(check.counts().probes.at("delivered") > 500);
}

TEST_CASE("a history runs twice alike") {
    sim::SimCrossSide sim;
    FakeKernelSide kernel;
    Crosscheck once(sim, kernel);
    Crosscheck again(sim, kernel);
    for (std::uint64_t index = 0; index < 20; ++index) {
        REQUIRE(once.run(generate_history(3, index)).has_value());
    }
    for (std::uint64_t index = 0; index < 20; ++index) {
        REQUIRE(again.run(generate_history(3, index)).has_value());
    }
    CHECK(once.counts() == again.counts());
}

TEST_CASE("a mistake planted in either half is found and shrunk") {
    struct Mistake {
        const char* name;
        Warp warp;
        std::size_t steps;  ///< that show it, at most
    };
    const std::vector<Mistake> mistakes{
        {"FDB rows are lost", loses_fdb_rows, 2},
        {"a withdrawn route stays", keeps_routes, 4},
        {"a tunnel's MTU is 4 too small", altering<LinkRow>([](LinkRow& row) { row.mtu -= 4; }), 1},
        {"neighbours get another MAC",
         altering<NeighbourRow>([](NeighbourRow& row) { row.mac.bits ^= 0x0100; }), 2},
    };
    sim::SimCrossSide sim;
    FakeKernelSide kernel;
    for (const Mistake& mistake : mistakes) {
        INFO(mistake.name);
        WarpedKernelSide warped_kernel(kernel, mistake.warp);
        const Shrunk in_kernel = find_and_shrink(sim, warped_kernel);
        INFO(encode_history(in_kernel.history));
        CHECK(in_kernel.minimal);
        CHECK(in_kernel.history.steps.size() <= mistake.steps);
        CHECK(in_kernel.history.layout.hosts.size() == 2);
        CHECK_FALSE(run(sim, kernel, in_kernel.history));

        WarpedSimSide warped_sim(sim, mistake.warp);
        const Shrunk in_sim = find_and_shrink(warped_sim, kernel);
        CHECK(in_sim.history.steps.size() <= mistake.steps);
    }
}

TEST_CASE("a packet that differs from the one on paper is found and shrunk to one probe") {
    sim::SimCrossSide sim;
    FakeKernelSide kernel;
    WarpedKernelSide warped(kernel, as_it_is, [](ProbeOutcome& outcome) {
        for (OuterPacket& outer : outcome.outer) outer.dont_fragment = !outer.dont_fragment;
    });

    const Shrunk shrunk = find_and_shrink(sim, warped);

    std::size_t probes = 0;
    for (const HistoryStep& step : shrunk.history.steps) probes += step.probes.size();
    CHECK(shrunk.minimal);
    CHECK(probes == 1);
    CHECK(shrunk.history.steps.size() <= 3);
    const auto found = run(sim, warped, shrunk.history);
    REQUIRE(found);
    CHECK_FALSE(found->way.empty());
}
