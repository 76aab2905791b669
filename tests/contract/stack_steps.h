// Steps of the stack contracts: rows as text onto a stack and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/ports/host_stack.h"
#include "tests/support/row_lines.h"

#include "tests/support/catch.h"

namespace overlab::test {

using Action = RowChange::Action;

inline std::vector<RowChange> changes(Action action, std::string_view text) {
    std::vector<RowChange> found;
    for (const Row& each : rows(text)) found.push_back({action, each});
    return found;
}

/// Applies and requires that all succeed.
inline void apply_all(HostStack& stack, const std::vector<RowChange>& wanted) {
    const std::vector<Result<void>> outcomes = stack.apply(wanted);
    REQUIRE(outcomes.size() == wanted.size());
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        INFO(to_string(wanted[i].row));
        INFO((outcomes[i] ? "" : outcomes[i].error().what));
        REQUIRE(outcomes[i].has_value());
    }
}
inline void install(HostStack& stack, std::string_view text) {
    apply_all(stack, changes(Action::install, text));
}

inline void withdraw(HostStack& stack, std::string_view text) {
    apply_all(stack, changes(Action::withdraw, text));
}

inline std::string dump(HostStack& stack) {
    const Result<ForwardingState> state = stack.dump();
    INFO((state ? "" : state.error().what));
    REQUIRE(state.has_value());
    return state->to_string();
}

}  // namespace overlab::test
