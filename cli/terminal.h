// What the standard streams are connected to. The only place that looks at the environment.
#pragma once

#include <cstddef>

namespace overlab::cli {

enum class Stream { output, error };

[[nodiscard]] bool is_terminal(Stream stream);

/// A terminal, and neither NO_COLOR (no-color.org: set and not empty) nor TERM=dumb.
[[nodiscard]] bool wants_colour(Stream stream);

/// Columns of the terminal; 0 if the stream is none (then text need not fit anywhere).
[[nodiscard]] std::size_t terminal_width(Stream stream);

}  // namespace overlab::cli
