#include "results/staging_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace overlab {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view mark = ".partial-";
constexpr std::size_t drawn_letters = 6;  // mkdtemp's
constexpr mode_t readable_by_all = 0755;

/// -1, with errno: gone, or somebody holds it.
int lock_folder(const fs::path& folder, int how) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || ::flock(fd, LOCK_EX | how) == 0) return fd;
    const int code = errno;
    ::close(fd);
    errno = code;
    return -1;
}

bool is_removed(int fd) {
    struct stat status{};
    return ::fstat(fd, &status) != 0 || status.st_nlink == 0;
}

void sweep(const fs::path& final_path) {
    const std::string prefix = final_path.filename().string() + std::string(mark);
    std::error_code ignored;  // Nothing better can be done about a folder that refuses to go.
    for (const auto& entry : fs::directory_iterator(final_path.parent_path(), ignored)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix) || name.size() != prefix.size() + drawn_letters) continue;
        const int lock = lock_folder(entry.path(), LOCK_NB);
        if (lock < 0) continue;  // Alive, or not a folder.
        fs::remove_all(entry.path(), ignored);
        ::close(lock);
    }
}

}  // namespace

Result<StagingFolder> StagingFolder::create(const std::string& final_path) {
    sweep(final_path);
    // A sweeper that comes between making and locking takes the folder away: then once more.
    constexpr int enough_tries = 10;
    for (int i = 0; i < enough_tries; ++i) {
        std::string path = final_path + std::string(mark) + std::string(drawn_letters, 'X');
        if (::mkdtemp(path.data()) == nullptr) break;
        const int lock = lock_folder(path, 0);
        if (lock < 0 && errno == ENOENT) continue;
        if (lock < 0) {
            const int code = errno;
            ::rmdir(path.c_str());
            errno = code;
            break;
        }
        StagingFolder folder(std::move(path), lock);
        if (is_removed(lock)) continue;
        if (::fchmod(lock, readable_by_all) != 0) break;
        return folder;
    }
    const int code = errno;
    return fail(ErrorKind::unavailable,
                fmt::format("{}: cannot be made: {}", final_path + std::string(mark) + "...",
                            std::generic_category().message(code)),
                code);
}

StagingFolder::~StagingFolder() {
    if (path_.empty()) return;
    std::error_code ignored;  // What stays goes with the next result for this place.
    fs::remove_all(path_, ignored);
    ::close(lock_);
}

}  // namespace overlab
