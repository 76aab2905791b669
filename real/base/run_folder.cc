#include "real/base/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

namespace overlab::real {
namespace {

constexpr const char* lock_name = ".lock";

/// Below this a run would fail somewhere in its middle, in words that do not tell why.
constexpr std::uint64_t least_free_bytes = 16 << 20;

std::unexpected<Error> os_failure(const std::filesystem::path& path) {
    const int code = errno;
    std::string what = fmt::format("{}: {}", path.string(), std::strerror(code));
    if (code == ENOSPC || code == EDQUOT)
        what += "; make room there: runs keep sockets and logs in it";
    return fail(ErrorKind::unavailable, std::move(what), code);
}

/// False, with errno, if it is full.
bool has_room(const std::filesystem::path& folder) {
    struct statvfs system{};
    const bool known = ::statvfs(folder.c_str(), &system) == 0 && system.f_blocks != 0;
    errno = ENOSPC;
    return !known || system.f_bavail * system.f_frsize >= least_free_bytes;
}

/// Not for results: only makes names differ among runs that are alive.
std::string draw_id() {
    std::array<unsigned char, 6> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) < 0) bytes = {};
    std::string id;
    for (const unsigned char byte : bytes) id += "abcdefghijkmnpqrstuvwxyz23456789"[byte % 32];
    return id;
}

/// Holds the lock, or is invalid if somebody else does or it cannot be had.
Fd take_lock(const std::filesystem::path& folder) {
    Fd lock(::open((folder / lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.valid() && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    return {};
}

bool is_ours(const std::filesystem::path& folder) {
    struct stat status{};
    return ::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == ::geteuid() && (status.st_mode & 0077) == 0;
}

/// Making a folder and locking it are two steps: a sweeper between them must not take the new
/// folder for a dead one. So makers and sweepers hold this lock. Invalid, with errno, if it cannot
/// be had.
Fd pass_gate(const std::filesystem::path& base) {
    Fd gate(::open((base / "gate").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (gate.valid() && ::flock(gate.get(), LOCK_EX) == 0) return gate;
    return {};
}

/// Behind the gate.
std::size_t sweep(const std::filesystem::path& base) {
    std::size_t swept = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(base, ignored)) {
        if (!entry.path().filename().string().starts_with("run-") || !is_ours(entry.path()))
            continue;
        const Fd lock = take_lock(entry.path());
        if (!lock.valid()) continue;  // Alive.
        const std::uintmax_t removed = std::filesystem::remove_all(entry.path(), ignored);
        if (removed > 0 && removed != static_cast<std::uintmax_t>(-1)) ++swept;
    }
    return swept;
}

std::filesystem::path base_of(const std::filesystem::path& parent) {
    return parent / fmt::format("overlab-{}", ::geteuid());
}

}  // namespace

std::size_t sweep_dead_runs(const std::filesystem::path& parent) {
    const std::filesystem::path base = base_of(parent);
    if (!is_ours(base)) return 0;
    const Fd gate = pass_gate(base);
    return gate.valid() ? sweep(base) : 0;
}

Result<RunFolder> RunFolder::create(const std::filesystem::path& parent) {
    const std::filesystem::path base = base_of(parent);
    if (::mkdir(base.c_str(), 0700) != 0 && errno != EEXIST) return os_failure(base);
    if (!is_ours(base)) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("{}: not a folder of this user with mode 0700; remove it", base.string()));
    }
    const Fd gate = pass_gate(base);
    if (!gate.valid()) return os_failure(base / "gate");
    sweep(base);
    if (!has_room(base)) return os_failure(base);
    const std::string id = draw_id();
    const std::filesystem::path path = base / ("run-" + id);
    if (::mkdir(path.c_str(), 0700) != 0) return os_failure(path);
    Fd lock = take_lock(path);
    if (!lock.valid()) return os_failure(path / lock_name);
    return RunFolder(path, id, std::move(lock));
}

RunFolder::RunFolder(std::filesystem::path path, std::string id, Fd lock)
    : path_(std::move(path)), id_(std::move(id)), lock_(std::move(lock)) {}

RunFolder::~RunFolder() {
    if (!lock_.valid()) return;  // Moved from.
    std::error_code ignored;     // What stays is swept by the next start.
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace overlab::real
