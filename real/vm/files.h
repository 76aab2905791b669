// Whole small files, as this folder needs them everywhere.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::real {

/// Empty if it cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

/// Replaces what is there. Errors: out_of_space, unavailable.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace overlab::real
