// What program and preloaded library agree on.
#pragma once

namespace overlab::real {

/// Environment variable with the seed, a decimal number.
inline constexpr const char* pin_seed_variable = "OVERLAB_PIN_SEED";

}  // namespace overlab::real
