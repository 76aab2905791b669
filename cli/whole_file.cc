#include "cli/whole_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

#include "real/base/fd.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr mode_t readable_by_all = 0644;

std::unexpected<Error> failed(const std::string& path, int code) {
    return fail(
        ErrorKind::unavailable,
        fmt::format("{}: cannot be written: {}", path, std::generic_category().message(code)),
        code);
}

/// 0 or an errno.
int write_and_sync(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    // Else a machine that loses power can keep the new name and lose what is in it.
    return ::fchmod(fd, readable_by_all) == 0 && ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

Result<void> write_whole_file(const std::string& path, std::string_view text) {
    std::error_code failure;
    const fs::path folder = fs::path(path).parent_path();
    if (!folder.empty()) fs::create_directories(folder, failure);
    if (failure) return failed(path, failure.value());
    std::string beside = path + ".partial-XXXXXX";
    const real::Fd file(::mkstemp(beside.data()));
    if (!file.valid()) return failed(path, errno);
    int code = write_and_sync(file.get(), text);
    if (code == 0 && std::rename(beside.c_str(), path.c_str()) != 0) code = errno;
    if (code == 0) return {};
    (void)std::remove(beside.c_str());  // the error is the one to report
    return failed(path, code);
}

}  // namespace overlab::cli
