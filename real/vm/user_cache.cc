#include "real/vm/user_cache.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

namespace overlab::real {
namespace {

/// The folder that holds every program's cache.
Result<std::filesystem::path> cache_home() {
    constexpr std::string_view name = "XDG_CACHE_HOME=";
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (text.starts_with(name) && text.substr(name.size()).starts_with('/'))
            return std::filesystem::path(text.substr(name.size()));
    }
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr || entry.pw_dir == nullptr || *entry.pw_dir == '\0') {
        return fail(ErrorKind::unavailable,
                    fmt::format("user {}: no home folder in the password file", ::geteuid()));
    }
    return std::filesystem::path(entry.pw_dir) / ".cache";
}

}  // namespace

Result<std::filesystem::path> user_cache_folder() {
    OVERLAB_TRY(const std::filesystem::path home, cache_home());
    std::filesystem::path folder = home / "overlab";
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code || ::access(folder.c_str(), W_OK) != 0) {
        return fail(ErrorKind::unavailable,
                    fmt::format("{}: not a folder that we can write into", folder.string()));
    }
    ::chmod(folder.c_str(), 0700);
    return folder;
}

std::string identity_of(const std::filesystem::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return path.string() + " absent";
    return fmt::format("{} {} {}.{:09}", path.string(), status.st_size, status.st_mtim.tv_sec,
                       status.st_mtim.tv_nsec);
}

std::string short_digest(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3;
    }
    return fmt::format("{:016x}", hash);
}

}  // namespace overlab::real
