// The library that is loaded before User-mode Linux in virtual time (real/vm/pin/pin.cc): it keeps
// the machine's entropy and its processor's time stamp counter from the guest. It is part of our
// program, so that one file is enough, and is written into the run's folder for the loader.
#pragma once

#include <cstdint>
#include <filesystem>

#include "models/base/error.h"

namespace overlab::real {

inline constexpr const char* pin_file = "pin.so";

/// Writes `run`/pin.so, and the seed beside it: the library reads that from the working folder.
/// Errors: unavailable.
[[nodiscard]] Result<void> write_pin_library(const std::filesystem::path& run, std::uint64_t seed);

}  // namespace overlab::real
