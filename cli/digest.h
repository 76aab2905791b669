// SHA-256 (FIPS 180-4) as lower-case hexadecimal.
#pragma once

#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::cli {

[[nodiscard]] std::string sha256(std::string_view bytes);

/// Of a file. Errors: unavailable.
[[nodiscard]] Result<std::string> file_sha256(const std::string& path);

/// Of the running program's own file. Errors: unavailable.
[[nodiscard]] Result<std::string> program_sha256();

}  // namespace overlab::cli
