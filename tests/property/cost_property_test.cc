// Properties of the cost formula and of FlowMix.
#include <set>
#include <vector>

#include "models/cost/cost_profile.h"
#include "models/cost/flow_mix.h"
#include "tests/support/property.h"

namespace overlab {

TEST_CASE("splitting an aggregate never makes it cheaper, and costs one per_aggregate a piece") {
    test::holds([] {
        CostProfile profile;
        StageCost& cost = profile.stages[0];
        cost.per_aggregate_ns = *rc::gen::inRange(0U, 100'000U);
        cost.per_segment_ns = *rc::gen::inRange(0U, 10'000U);
        cost.per_byte_ps = *rc::gen::inRange(0U, 10'000U);
        const auto segments = *rc::gen::inRange<std::uint32_t>(1, 65);
        const auto pieces = *rc::gen::inRange<std::uint32_t>(1, segments + 1);
        const std::uint64_t bytes = *rc::gen::inRange<std::uint64_t>(0, 65'536);

        const std::int64_t whole = profile.cost_ns(CostStage::app_send, segments, bytes);
        const std::int64_t cut = profile.cost_ns(
            CostStage::app_send, {.aggregates = pieces, .segments = segments, .bytes = bytes});

        RC_ASSERT(cut - whole == std::int64_t{pieces - 1} * cost.per_aggregate_ns);
    });
}

TEST_CASE("FlowMix counts the different flows among the last aggregates") {
    test::holds([] {
        const auto flows =
            *rc::gen::container<std::vector<unsigned>>(400, rc::gen::inRange(0U, 200U));
        FlowMix mix;
        for (std::size_t i = 0; i < flows.size(); ++i) {
            const std::size_t from = i + 1 > FlowMix::window ? i + 1 - FlowMix::window : 0;
            const std::set<unsigned> recent(flows.begin() + static_cast<std::ptrdiff_t>(from),
                                            flows.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            RC_ASSERT(mix.note(flows[i]) == recent.size());
        }
    });
}

TEST_CASE(
    "a tunnel with one flow gives back whole aggregates, a mixed one at most one per segment") {
    CHECK(FlowMix::pieces(7, 1) == 1);
    CHECK(FlowMix::pieces(7, 4) == 4);
    CHECK(FlowMix::pieces(7, 8) == 7);
    CHECK(FlowMix::pieces(1, 8) == 1);
}

}  // namespace overlab
