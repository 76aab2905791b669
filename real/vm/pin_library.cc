#include "real/vm/pin_library.h"

#include <fmt/format.h>

#include <fstream>

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

Result<void> write_pin_library(const std::filesystem::path& run) {
    const std::filesystem::path path = run / pin_file;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(overlab_pin_begin, overlab_pin_end - overlab_pin_begin);
    if (file.flush()) return {};
    return fail(ErrorKind::unavailable, fmt::format("{}: cannot write", path.string()));
}

}  // namespace overlab::real
