// Shrink: makes a history that fails as small as it gets: leaves out steps, probes and hosts, and
// makes the configuration and the underlay plain, as long as it still fails.
#pragma once

#include <cstddef>
#include <functional>

#include "models/crosscheck/history.h"

namespace overlab {

struct Shrunk {
    History history;
    std::size_t tries = 0;
    bool minimal = false;  ///< nothing more can be left out; false: `max_tries` came first
};

/// `fails` answers whether a history shows a difference; it does for `history`. Deterministic if
/// `fails` is.
[[nodiscard]] Shrunk shrink(const History& history,
                            const std::function<bool(const History&)>& fails,
                            std::size_t max_tries = 500);

}  // namespace overlab
