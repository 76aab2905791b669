// What this program is: its version and who compiled it.
#pragma once

#include <string_view>

namespace overlab::cli {

[[nodiscard]] std::string_view version();   ///< `0.1.0`
[[nodiscard]] std::string_view compiler();  ///< `g++ 12.2.0`, `clang++ 19.1.7`

}  // namespace overlab::cli
