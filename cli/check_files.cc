#include "cli/check_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "cli/scenario_file.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view golden_folder = "golden";
/// Folders below one that is asked for; a deeper one is a mistake (a loop of links, say).
constexpr int max_folder_depth = 16;

/// A broken scenario has to be reported, so this looks for a word and does not parse.
bool looks_like_a_scenario(const fs::path& path) {
    std::error_code failure;
    // Too large for a scenario: loading says so.
    if (fs::file_size(path, failure) > max_scenario_bytes || failure) return true;
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return text.contains("\"overlab\"") || text.contains("\"include\"");
}

CheckFile check_file(const fs::path& path, std::string folder) {
    return {.path = path.string(), .folder = std::move(folder), .name = path.stem().string()};
}

/// One folder that was asked for.
class Search {
   public:
    Search(fs::path root, CheckFiles& found) : root_(std::move(root)), found_(found) {}

    Result<void> run() {
        std::error_code failure;
        fs::recursive_directory_iterator entry(root_, failure);
        for (; !failure && entry != fs::end(entry); entry.increment(failure)) {
            if (entry->is_directory()) {
                if (entry.depth() > max_folder_depth || is_passed_over(entry->path()))
                    entry.disable_recursion_pending();
            } else {
                take(entry->path());
            }
        }
        if (failure) {
            return fail(ErrorKind::unavailable,
                        fmt::format("{}: {}", root_.string(), failure.message()), failure.value());
        }
        if (files_.empty()) {
            return fail(ErrorKind::invalid_argument,
                        fmt::format("{}: there is no scenario in it", root_.string()));
        }
        finish();
        return {};
    }

   private:
    static bool is_passed_over(const fs::path& folder) {
        std::error_code failure;
        const std::string name = folder.filename().string();
        return name.starts_with('.') || name.contains(".partial-") ||
               fs::exists(folder / "result.json", failure);
    }

    void take(const fs::path& path) {
        const std::string name = path.filename().string();
        if (name.starts_with('.')) return;
        if (path.parent_path().filename() == golden_folder) {
            if (path.extension() == ".txt") goldens_.push_back(path);
            return;
        }
        if (path.extension() != ".json" || name == "schema.json") return;
        if (!looks_like_a_scenario(path)) {
            found_.not_scenarios.push_back(path.string());
            return;
        }
        const std::string folder = path.parent_path().lexically_relative(root_).generic_string();
        files_.push_back(check_file(path, folder == "." ? "" : folder));
    }

    void finish() {
        std::ranges::sort(files_, {},
                          [](const CheckFile& file) { return std::tie(file.folder, file.name); });
        std::set<std::string> owned;
        for (const CheckFile& file : files_) owned.insert(file.golden_path());
        std::ranges::sort(goldens_);
        for (const fs::path& golden : goldens_) {
            if (!owned.contains(golden.string())) found_.ownerless.push_back(golden.string());
        }
        std::ranges::sort(found_.not_scenarios);
        std::ranges::move(files_, std::back_inserter(found_.scenarios));
    }

    fs::path root_;
    CheckFiles& found_;
    std::vector<CheckFile> files_;
    std::vector<fs::path> goldens_;
};

}  // namespace

std::string CheckFile::golden_path() const {
    return (fs::path(path).parent_path() / golden_folder / (name + ".txt")).string();
}

Result<CheckFiles> find_check_files(const std::vector<std::string>& paths) {
    CheckFiles found;
    for (const std::string& path : paths) {
        std::error_code failure;
        // Without a slash at the end, so that names below it are made in one way.
        fs::path root = fs::path(path).lexically_normal();
        if (root.filename().empty() && root.has_parent_path()) root = root.parent_path();
        if (!fs::exists(root, failure)) {
            return fail(ErrorKind::not_found,
                        fmt::format("{}: there is no such file or folder", path));
        }
        if (!fs::is_directory(root, failure)) {
            found.scenarios.push_back(check_file(root, ""));
            continue;
        }
        if (auto searched = Search(root, found).run(); !searched)
            return std::unexpected(searched.error());
    }
    std::set<std::string> seen;
    std::erase_if(found.scenarios, [&](const CheckFile& file) {
        return !seen.insert(fs::absolute(file.path).lexically_normal().string()).second;
    });
    return found;
}

}  // namespace overlab::cli
