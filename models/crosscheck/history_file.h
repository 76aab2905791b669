// HistoryFile: a history as a scenario file. The scenario's own parts (underlay, network, pods) say
// the same cluster to every other command; its `history` holds the history itself.
#pragma once

#include <string>
#include <string_view>

#include "models/crosscheck/history.h"

namespace overlab {

/// `name` is a scenario's name; `description` may have several lines.
[[nodiscard]] std::string history_scenario(const History& history, const std::string& name,
                                           const std::string& description);

/// The history in a scenario file. Errors: invalid_argument (no JSON, no `history`, or a wrong
/// one), naming the place.
[[nodiscard]] Result<History> read_history_scenario(std::string_view text);

}  // namespace overlab
