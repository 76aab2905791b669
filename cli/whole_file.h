// Writes a file whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::cli {

/// Into a file beside it, then renamed: who reads sees the old text or the new. Makes the folder if
/// it is missing. Errors: unavailable, with errno; then the old file is as it was.
[[nodiscard]] Result<void> write_whole_file(const std::string& path, std::string_view text);

}  // namespace overlab::cli
