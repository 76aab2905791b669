#include "cli/scenario_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "cli/digest.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_file(const fs::path& path) {
    std::error_code code;
    if (fs::is_directory(path, code))
        return fail(ErrorKind::invalid_argument, "is a folder, not a scenario file");
    const auto size = fs::is_regular_file(path, code) ? fs::file_size(path, code) : 0;
    if (!code && size > max_scenario_bytes) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("has {} bytes, more than the {} that a scenario may have", size,
                                max_scenario_bytes));
    }
    errno = 0;
    const std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (!file) {
        const int reason = errno;
        return fail(ErrorKind::not_found,
                    fmt::format("cannot be read: {}", std::generic_category().message(reason)),
                    reason);
    }
    return std::move(text).str();
}

}  // namespace

std::expected<ScenarioFile, std::vector<Problem>> load_scenario(const std::string& path) {
    const auto text = read_file(path);
    if (!text) {
        return std::unexpected(std::vector<Problem>{
            {.file = path, .pointer = {}, .line = 0, .column = 0, .message = text.error().what}});
    }
    // Each text is preceded by its length, so that no two sets of files have the same digest input.
    std::string digest_input = fmt::format("{}\n{}", text->size(), *text);
    // The parser has resolved names against the files they stand in.
    const auto include = [&](const std::string& name) -> Result<std::string> {
        auto included = read_file(name);
        if (included) digest_input += fmt::format("{}\n{}", included->size(), *included);
        return included;
    };
    ParsedScenario parsed = parse_scenario(*text, path, include);
    if (!parsed.scenario) return std::unexpected(std::move(parsed.problems));
    return ScenarioFile{.scenario = std::move(*parsed.scenario),
                        .warnings = std::move(parsed.warnings),
                        .sha256 = sha256(digest_input)};
}

}  // namespace overlab::cli
