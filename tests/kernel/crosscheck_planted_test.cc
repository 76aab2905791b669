// The whole cross-check on a real kernel: histories pass, and a mistake planted in either half is
// found and made small. Where time is real, waiting for silence takes minutes: so these run only
// when asked for, which tests/vm does in virtual time.
#include <string>

#include "models/crosscheck/crosscheck.h"
#include "models/crosscheck/history_generator.h"
#include "models/crosscheck/shrink.h"
#include "real/crosscheck/netns_side.h"
#include "sim/sim_cross_side.h"
#include "tests/support/catch.h"
#include "tests/support/fake_kernel_side.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::test;

namespace {

bool differs(SimSide& sim, KernelSide& kernel, const History& history) {
    const auto found = Crosscheck(sim, kernel).run(history);
    INFO((found ? (*found ? (*found)->to_string() : "") : found.error().what));
    REQUIRE(found.has_value());
    return found->has_value();
}

/// The first history in which the planted mistake shows, made small.
Shrunk find_and_shrink(SimSide& sim, KernelSide& kernel) {
    for (std::uint64_t index = 0; index < 50; ++index) {
        const History history = generate_history(1, index);
        if (!differs(sim, kernel, history)) continue;
        return shrink(history, [&](const History& it) { return differs(sim, kernel, it); });
    }
    FAIL("50 histories pass in spite of the mistake");
    return {};
}

}  // namespace

TEST_CASE("a mistake planted beside a real kernel is found and shrunk", "[.planted]") {
    const TempFolder folder;
    auto kernel = real::make_netns_side({.key_folder = folder.path()});
    INFO((kernel ? "" : kernel.error().what));
    REQUIRE(kernel.has_value());
    sim::SimCrossSide sim;
    for (std::uint64_t index = 0; index < 10; ++index) {
        INFO("history " << index);
        CHECK_FALSE(differs(sim, **kernel, generate_history(1, index)));
    }
    const Warp loses_fdb_rows = [](const RowChange& change) -> std::optional<RowChange> {
        const bool lost = change.action == RowChange::Action::install &&
                          std::holds_alternative<FdbRow>(change.row);
        return lost ? std::nullopt : std::optional(change);
    };
    const Warp as_it_is = [](const RowChange& change) { return std::optional(change); };

    WarpedKernelSide in_kernel(**kernel, loses_fdb_rows);
    const Shrunk rows = find_and_shrink(sim, in_kernel);
    CHECK(rows.minimal);
    CHECK(rows.history.steps.size() <= 2);
    CHECK(rows.history.layout.hosts.size() == 2);
    CHECK_FALSE(differs(sim, **kernel, rows.history));

    WarpedSimSide in_sim(sim, loses_fdb_rows);
    CHECK(find_and_shrink(in_sim, **kernel).history.steps.size() <= 2);

    WarpedKernelSide wire(**kernel, as_it_is, [](ProbeOutcome& outcome) {
        for (OuterPacket& outer : outcome.outer) --outer.ttl;
    });
    const Shrunk probe = find_and_shrink(sim, wire);
    CHECK(probe.minimal);
    CHECK(probe.history.steps.size() <= 3);
}
