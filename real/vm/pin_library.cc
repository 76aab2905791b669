#include "real/vm/pin_library.h"

#include <fmt/format.h>

#include <fstream>
#include <string_view>

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
namespace {

Result<void> write_bytes(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << bytes;
    if (file.flush()) return {};
    return fail(ErrorKind::unavailable, fmt::format("{}: cannot write", path.string()));
}

}  // namespace

Result<void> write_pin_library(const std::filesystem::path& run, std::uint64_t seed) {
    const std::string_view library(overlab_pin_begin, overlab_pin_end);
    if (auto written = write_bytes(run / pin_file, library); !written) return written;
    return write_bytes(run / pin_seed_file, fmt::to_string(seed));
}

}  // namespace overlab::real
