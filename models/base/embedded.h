// Text files compiled into the program (cmake/embed.cmake): the JSON Schema, the cost
// profiles, the guest kernel's configuration.
#pragma once

#include <string_view>
#include <vector>

namespace overlab::embedded {

/// Contents by repository path, e.g. "scenarios/schema.json"; empty if it was not embedded.
[[nodiscard]] std::string_view text(std::string_view path);
/// All embedded paths, in the order CMake was given them.
[[nodiscard]] std::vector<std::string_view> paths();

}  // namespace overlab::embedded
