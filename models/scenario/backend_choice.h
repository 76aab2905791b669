// Backend choice: the overlay network's configuration, and the backends that `compare` runs beside
// its own.
#pragma once

#include <string>
#include <string_view>

#include "models/scenario/json_cursor.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// Reads `network` into scenario.network and network_json; its problems keep their pointers under
/// /network. False if it is unusable.
[[nodiscard]] bool read_network(const JsonCursor& network, Scenario& scenario);

/// Reads `compare` into compare_backends and compare_backend_json; read_network has succeeded
/// before.
void read_compare(const JsonCursor& compare, Scenario& scenario);

/// `network_json` with its `Backend` (matched without case, as flannel does) replaced by the given
/// object.
[[nodiscard]] std::string replace_backend(std::string_view network_json,
                                          std::string_view backend_json);

/// A pre-shared key for comparing with ipsec when the file gives none: long enough for flannel's
/// rule and always the same for one scenario name. For simulations only: anybody can compute it.
[[nodiscard]] std::string test_psk(std::string_view scenario_name);

}  // namespace overlab
