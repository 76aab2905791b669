#include <algorithm>
#include <vector>

#include "models/forwarding/rows.h"
#include "tests/support/arbitrary_rows.h"
#include "tests/support/property.h"

using namespace overlab;
using overlab::test::draw_row;

namespace {

std::vector<Row> draw_rows() {
    std::vector<Row> rows;
    const int count = *rc::gen::inRange(0, 24);
    for (int i = 0; i < count; ++i) rows.push_back(draw_row());
    return rows;
}

ForwardingState apply(ForwardingState state, const std::vector<RowChange>& changes) {
    for (const RowChange& change : changes) {
        if (change.action == RowChange::Action::install) {
            state.install(change.row);
        } else {
            state.withdraw(change.row);
        }
    }
    return state;
}

}  // namespace

TEST_CASE("every row survives being written and read", "[forwarding]") {
    test::holds([] {
        const Row row = draw_row();
        const Result<Row> back = parse_row(to_string(row));
        RC_ASSERT(back.has_value());
        RC_ASSERT(*back == row);
    });
}

TEST_CASE("keys are a total order", "[forwarding]") {
    test::holds([] {
        const Row a = draw_row();
        const Row b = draw_row();
        const Row c = draw_row();
        const auto less = [](const Row& x, const Row& y) { return compare_keys(x, y) < 0; };
        RC_ASSERT(same_key(a, a));
        RC_ASSERT(same_key(a, b) == (!less(a, b) && !less(b, a)));
        RC_ASSERT(!(less(a, b) && less(b, a)));
        if (less(a, b) && less(b, c)) RC_ASSERT(less(a, c));
    });
}

TEST_CASE("a difference turns one state into the other and repeats nothing", "[forwarding]") {
    test::holds([] {
        const std::vector<Row> first = draw_rows();
        std::vector<Row> second = draw_rows();
        // Shared rows, so that not everything changes.
        for (const Row& row : first) {
            if (*rc::gen::arbitrary<bool>()) second.push_back(row);
        }
        const ForwardingState actual = ForwardingState::of(first);
        const ForwardingState desired = ForwardingState::of(second);

        const std::vector<RowChange> changes = diff(desired, actual);

        RC_ASSERT(apply(actual, changes) == desired);
        RC_ASSERT(changes.size() <= actual.rows().size() + desired.rows().size());
        const auto is_withdrawal = [](const RowChange& change) {
            return change.action == RowChange::Action::withdraw;
        };
        RC_ASSERT(std::ranges::is_partitioned(changes, is_withdrawal));
    });
}

TEST_CASE("a state made of rows equals one that got them one by one", "[forwarding]") {
    test::holds([] {
        const std::vector<Row> rows = draw_rows();
        ForwardingState grown;
        for (const Row& row : rows) grown.install(row);
        RC_ASSERT(ForwardingState::of(rows) == grown);
    });
}
