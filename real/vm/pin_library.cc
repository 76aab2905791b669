#include "real/vm/pin_library.h"

#include <fmt/format.h>

#include <string_view>

#include "real/vm/files.h"
#include "real/vm/pin/seed_file.h"

// The linker's symbols around the library's bytes.
__asm__(
    ".section .rodata\n"
    ".global overlab_pin_begin\n"
    "overlab_pin_begin:\n"
    ".incbin \"" OVERLAB_PIN_LIBRARY
    "\"\n"
    ".global overlab_pin_end\n"
    "overlab_pin_end:\n"
    ".previous\n");

extern "C" {
extern const char overlab_pin_begin[];  // NOLINT(*-avoid-c-arrays): a symbol, not an object
extern const char overlab_pin_end[];    // NOLINT(*-avoid-c-arrays)
}

namespace overlab::real {

Result<void> write_pin_library(const std::filesystem::path& run, std::uint64_t seed) {
    const std::string_view library(overlab_pin_begin, overlab_pin_end);
    if (auto written = write_file(run / pin_file, library); !written) return written;
    return write_file(run / pin_seed_file, fmt::to_string(seed));
}

}  // namespace overlab::real
