#include "cli/staging_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view mark = ".partial-";
constexpr std::size_t drawn_letters = 6;  // mkdtemp's
constexpr mode_t readable_by_all = 0755;

/// Invalid: it is gone, or somebody holds the lock.
real::Fd lock_folder(const fs::path& folder, int how) {
    real::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.valid() && ::flock(fd.get(), LOCK_EX | how) == 0) return fd;
    return {};
}

bool is_removed(const real::Fd& folder) {
    struct stat status{};
    return ::fstat(folder.get(), &status) != 0 || status.st_nlink == 0;
}

void sweep(const fs::path& final_path) {
    const std::string prefix = final_path.filename().string() + std::string(mark);
    std::error_code ignored;  // Nothing better can be done about a folder that refuses to go.
    for (const auto& entry : fs::directory_iterator(final_path.parent_path(), ignored)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix) || name.size() != prefix.size() + drawn_letters) continue;
        const real::Fd lock = lock_folder(entry.path(), LOCK_NB);
        if (lock.valid()) fs::remove_all(entry.path(), ignored);
    }
}

}  // namespace

Result<StagingFolder> StagingFolder::create(const std::string& final_path) {
    sweep(final_path);
    const std::string pattern = final_path + std::string(mark) + std::string(drawn_letters, 'X');
    // A sweeper that comes between making and locking takes the folder away: then once more.
    constexpr int enough_tries = 10;
    int code = EAGAIN;
    for (int i = 0; i < enough_tries; ++i) {
        std::string path = pattern;
        if (::mkdtemp(path.data()) == nullptr) {
            code = errno;
            break;
        }
        real::Fd lock = lock_folder(path, 0);
        if (!lock.valid() || is_removed(lock)) continue;
        (void)::fchmod(lock.get(), readable_by_all);  // Then it is readable by its maker only.
        return StagingFolder(std::move(path), std::move(lock));
    }
    return fail(
        ErrorKind::unavailable,
        fmt::format("{}: cannot be made: {}", pattern, std::generic_category().message(code)),
        code);
}

StagingFolder::~StagingFolder() {
    std::error_code ignored;  // What stays goes with the next result for this place.
    if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace overlab::cli
