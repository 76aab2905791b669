#include "cli/result_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "models/base/check.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

/// The file by which a folder is known to be a result.
constexpr const char* marker = "result.json";

std::unexpected<Error> failed(const std::string& path, const char* action, int code) {
    const std::string reason = std::generic_category().message(code);
    return fail(ErrorKind::unavailable, fmt::format("{}: {}: {}", path, action, reason), code);
}

/// Nothing there, an empty folder, or an older result may be replaced; nothing else.
Result<void> check_replaceable(const fs::path& path) {
    std::error_code code;
    if (!fs::exists(path, code)) return {};
    if (fs::is_directory(path, code)) {
        if (fs::exists(path / marker, code) || fs::is_empty(path, code)) return {};
        return fail(
            ErrorKind::already_exists,
            fmt::format("{}: holds files that are not a result of overlab; choose another --out",
                        path.string()));
    }
    return fail(
        ErrorKind::already_exists,
        fmt::format("{}: is there and is not a folder; choose another --out", path.string()));
}

/// Makes missing parents; returns those it made, innermost first.
Result<std::vector<std::string>> make_parents(const fs::path& path) {
    std::vector<std::string> missing;
    std::error_code code;
    for (fs::path parent = path.parent_path(); !parent.empty() && !fs::exists(parent, code);
         parent = parent.parent_path()) {
        missing.push_back(parent.string());
    }
    if (!path.parent_path().empty()) fs::create_directories(path.parent_path(), code);
    if (code) return failed(path.parent_path().string(), "cannot be made", code.value());
    return missing;
}

/// Puts `staging` at `path` and what was there, if anything, at `staging`. One step where the file
/// system can exchange two names (Linux' own ones can); else two, and the old result is put back if
/// the second fails. Returns 0 or an errno. Both paths are absolute, so that no folder descriptor
/// is needed.
int put_in_place(const std::string& staging, const std::string& path) {
    constexpr int no_folder = -1;
    if (std::rename(staging.c_str(), path.c_str()) == 0)
        return 0;  // nothing there, or an empty folder
    if (errno != ENOTEMPTY && errno != EEXIST) return errno;
    if (::renameat2(no_folder, staging.c_str(), no_folder, path.c_str(), RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    const std::string aside = staging + ".old";
    if (std::rename(path.c_str(), aside.c_str()) != 0) return errno;
    if (std::rename(staging.c_str(), path.c_str()) == 0) {
        (void)std::rename(aside.c_str(), staging.c_str());  // else it stays aside: nothing is lost
        return 0;
    }
    const int code = errno;
    (void)std::rename(aside.c_str(), path.c_str());  // the error below is the one to report
    return code;
}

}  // namespace

ResultDirectory::ResultDirectory(std::string path, StagingFolder staging,
                                 std::vector<std::string> made_parents)
    : path_(std::move(path)),
      staging_(std::move(staging)),
      made_parents_(std::move(made_parents)) {}

ResultDirectory::ResultDirectory(ResultDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      staging_(std::move(other.staging_)),
      committed_(other.committed_),
      made_parents_(std::exchange(other.made_parents_, {})) {}

ResultDirectory::~ResultDirectory() {
    if (staging_.path().empty() || committed_) return;
    // The parents are empty only without it.
    {
        const StagingFolder gone = std::move(staging_);
    }
    std::error_code ignored;
    // remove() leaves a folder that somebody else has put something into meanwhile.
    for (const std::string& parent : made_parents_) fs::remove(parent, ignored);
}

Result<ResultDirectory> ResultDirectory::create(const std::string& path) {
    CHECK(!path.empty());
    std::error_code code;
    fs::path final_path = fs::absolute(path, code).lexically_normal();
    if (code) return failed(path, "cannot be resolved", code.value());
    if (final_path.filename().empty()) final_path = final_path.parent_path();
    if (auto free = check_replaceable(final_path); !free) return std::unexpected(free.error());
    OVERLAB_TRY(auto parents, make_parents(final_path));
    OVERLAB_TRY(StagingFolder staging, StagingFolder::create(final_path.string()));
    return ResultDirectory(final_path.string(), std::move(staging), std::move(parents));
}

Result<std::string> ResultDirectory::make_folder(std::string_view name) const {
    const fs::path folder = fs::path(staging_.path()) / name;
    std::error_code code;
    fs::create_directories(folder, code);
    if (code) return failed(folder.string(), "cannot be made", code.value());
    return folder.string();
}

Result<void> ResultDirectory::write(std::string_view name, std::string_view contents) const {
    const std::string file = (fs::path(staging_.path()) / name).string();
    errno = 0;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    out.close();  // Only now has everything been handed to the kernel: a full disk shows here.
    if (!out)
        return failed((fs::path(path_) / name).string(), "cannot be written",
                      errno == 0 ? EIO : errno);
    return {};
}

Result<void> ResultDirectory::commit() {
    CHECK(!committed_);
    // Again: somebody may have put something else there while the runs took their time.
    if (auto free = check_replaceable(path_); !free) return free;
    if (const int code = put_in_place(staging_.path(), path_); code != 0)
        return failed(path_, "cannot be put in place", code);
    committed_ = true;
    std::error_code
        ignored;  // The new result is in place; an old one that will not go is only untidy.
    fs::remove_all(staging_.path(), ignored);
    return {};
}

}  // namespace overlab::cli
