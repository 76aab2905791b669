#include "real/vm/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace overlab::real {

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    if (file.flush()) return {};
    const int code = errno;
    return fail(code == ENOSPC ? ErrorKind::out_of_space : ErrorKind::unavailable,
                fmt::format("{}: {}", path.string(), std::strerror(code)), code);
}

}  // namespace overlab::real
