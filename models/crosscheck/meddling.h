// Meddling: what an operator's hand does to a host's rows in a history.
#pragma once

#include <cstdint>
#include <optional>

#include "models/forwarding/rows.h"

namespace overlab {

/// The change that step `pick` makes to a host that holds `rows`: takes the row away, or makes it
/// another one of the same key. Rows that cannot be another one are taken away. None if there are
/// no rows.
[[nodiscard]] std::optional<RowChange> meddling(const ForwardingState& rows, std::uint32_t pick,
                                                bool change);

}  // namespace overlab
