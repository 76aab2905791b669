// The user's cache folder: what takes long to find out or to make, and can be made again.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::real {

/// $XDG_CACHE_HOME/overlab, as the XDG Base Directory Specification 0.8 says: an empty or relative
/// value counts as none. Else ~/.cache/overlab of the user's entry in the password file. Made if
/// absent, mode 0700. Errors: unavailable (no home folder, or not writable).
[[nodiscard]] Result<std::filesystem::path> user_cache_folder();

/// Of `path`'s file: path, size and modification time. Differs once the file is replaced.
[[nodiscard]] std::string identity_of(const std::filesystem::path& path);

/// FNV-1a, 16 hexadecimal digits: for names of files, not against an adversary.
[[nodiscard]] std::string short_digest(std::string_view text);

}  // namespace overlab::real
