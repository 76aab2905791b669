#include "real/vm/uml_kernel.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "models/base/check.h"
#include "models/base/embedded.h"
#include "real/base/fd.h"
#include "real/vm/files.h"
#include "real/vm/uml_lock.h"
#include "real/vm/user_cache.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

/// Part of the digest: raised when the same source and configuration are to give another kernel.
constexpr int recipe = 1;

constexpr std::string_view prefix = "uml-";

/// The settings of a fragment, without comments and empty lines; sorted.
std::set<std::string> settings_of(std::string_view text) {
    std::set<std::string> settings;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (line.starts_with("CONFIG_")) settings.emplace(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return settings;
}

/// Folders of ours in the cache, by name.
std::vector<fs::path> folder_paths(const fs::path& cache) {
    std::vector<fs::path> paths;
    std::error_code ignored;  // A cache that cannot be read holds nothing for us.
    for (const auto& entry : fs::directory_iterator(cache, ignored)) {
        if (entry.path().filename().string().starts_with(prefix) &&
            fs::is_directory(entry.symlink_status(ignored)))
            paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    return paths;
}

std::uint64_t bytes_below(const fs::path& folder) {
    std::uint64_t bytes = 0;
    std::error_code code;
    fs::recursive_directory_iterator each(folder, code);
    for (; !code && each != fs::recursive_directory_iterator(); each.increment(code)) {
        struct stat status{};
        if (::lstat(each->path().c_str(), &status) == 0)
            bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return bytes;
}

}  // namespace

std::string_view uml_config() {
    const std::string_view text = embedded::text("real/vm/uml.config");
    CHECK(!text.empty());
    return text;
}

std::string uml_digest(std::string_view version, std::string_view config) {
    std::string text = fmt::format("{}\n{}\n", recipe, version);
    for (const std::string& setting : settings_of(config)) text += setting + '\n';
    return short_digest(text);
}

std::vector<std::string> options_not_taken(std::string_view fragment, std::string_view config) {
    const std::set<std::string> taken = settings_of(config);
    std::vector<std::string> missing;
    for (const std::string& setting : settings_of(fragment)) {
        // An option that is off is not named, or only in a comment.
        if (!setting.ends_with("=n") && !taken.contains(setting)) missing.push_back(setting);
    }
    return missing;
}

fs::path uml_folder(const fs::path& cache, std::string_view digest) {
    return cache / fmt::format("{}{}", prefix, digest);
}

fs::path uml_work_folder(const fs::path& cache, std::string_view digest) {
    return cache / fmt::format("{}{}.work", prefix, digest);
}

Result<UmlKernel> uml_kernel_at(const fs::path& cache, std::string_view digest) {
    const fs::path folder = uml_folder(cache, digest);
    const auto about = nlohmann::json::parse(read_file(folder / "about.json"), nullptr, false);
    const auto text = [&about](const char* key) {
        const bool there = about.is_object() && about.contains(key) && about[key].is_string();
        return there ? about[key].get<std::string>() : std::string();
    };
    UmlKernel kernel{.path = folder / "linux",
                     .version = text("version"),
                     .digest = text("digest"),
                     .built_with = text("built_with")};
    if (kernel.version.empty() || kernel.digest != digest ||
        ::access(kernel.path.c_str(), X_OK) != 0)
        return fail(ErrorKind::not_found, fmt::format("{}: no kernel", folder.string()));
    return kernel;
}

Result<UmlKernel> find_uml_kernel(const fs::path& cache) {
    std::vector<UmlKernel> found;
    for (const fs::path& folder : folder_paths(cache)) {
        auto kernel = uml_kernel_at(cache, folder.filename().string().substr(prefix.size()));
        if (kernel && kernel->digest == uml_digest(kernel->version, uml_config()))
            found.push_back(std::move(*kernel));
    }
    const auto newest = std::ranges::max_element(found, [](const UmlKernel& a, const UmlKernel& b) {
        return ::strverscmp(a.version.c_str(), b.version.c_str()) < 0;
    });
    if (newest == found.end()) {
        return fail(ErrorKind::not_found,
                    fmt::format("no User-mode Linux of our configuration in {}; {}", cache.string(),
                                uml_kernel_remedy));
    }
    return *newest;
}

std::vector<CachedFolder> uml_folders(const fs::path& cache) {
    std::vector<CachedFolder> folders;
    for (const fs::path& path : folder_paths(cache))
        folders.push_back({.path = path, .bytes = bytes_below(path)});
    return folders;
}

Result<std::vector<CachedFolder>> clean_uml_kernels(const fs::path& cache) {
    OVERLAB_TRY(const Fd lock, take_uml_lock(cache, [] { return false; }));
    std::vector<CachedFolder> removed = uml_folders(cache);
    for (const CachedFolder& folder : removed) {
        std::error_code code;
        fs::remove_all(folder.path, code);
        if (code)
            return fail(ErrorKind::unavailable,
                        fmt::format("{}: {}", folder.path.string(), code.message()), code.value());
    }
    return removed;
}

}  // namespace overlab::real
