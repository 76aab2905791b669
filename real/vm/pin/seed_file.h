// What program and preloaded library agree on.
#pragma once

namespace overlab::real {

/// In the working folder: the seed, a decimal number.
inline constexpr const char* pin_seed_file = "seed";

}  // namespace overlab::real
