#include "cli/report_problems.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace overlab::cli {
namespace {

using Json = nlohmann::json;

int unusable(const Json& document) {
    fmt::print("{}\n", document.dump(1, ' ', false, Json::error_handler_t::replace));
    return static_cast<int>(ExitCode::unusable);
}

}  // namespace

int report_problems(const std::vector<Problem>& problems, Format format) {
    if (format == Format::table) {
        for (const Problem& problem : problems) fmt::print(stderr, "{}\n", problem.to_string());
        return static_cast<int>(ExitCode::unusable);
    }
    Json list = Json::array();
    for (const Problem& problem : problems) {
        list.push_back({{"column", problem.column},
                        {"file", problem.file},
                        {"line", problem.line},
                        {"message", problem.message},
                        {"pointer", problem.pointer}});
    }
    return unusable({{"overlab", 1}, {"problems", std::move(list)}});
}

int report_error(std::string_view what, Format format) {
    if (format == Format::json) return unusable({{"error", what}, {"overlab", 1}});
    fmt::print(stderr, "overlab: {}\n", what);
    return static_cast<int>(ExitCode::unusable);
}

}  // namespace overlab::cli
