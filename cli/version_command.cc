#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/digest.h"
#include "cli/experiment.h"
#include "cli/report_problems.h"
#include "cli/version.h"
#include "results/result_json.h"

namespace overlab::cli {
namespace {

int print_version(Format format) {
    const auto digest = program_sha256();
    if (!digest) return report_error(digest.error().what, format);
    if (format == Format::json) {
        const nlohmann::json document{{"compiler", compiler()},
                                      {"program_sha256", *digest},
                                      {"result_schema", result_schema_version},
                                      {"version", version()}};
        fmt::print("{}\n", document.dump(1));
    } else {
        fmt::print("overlab {}\ncompiled by {}\nsha256 {}\n", version(), compiler(), *digest);
    }
    return static_cast<int>(ExitCode::ok);
}

}  // namespace

void add_version_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand("version", "Say which overlab this is.");
    command->footer("Example:\n  overlab version --format json");
    const auto format = std::make_shared<Format>(Format::table);
    add_format_option(*command, *format);
    command->callback([format, &environment] { environment.exit_code = print_version(*format); });
}

}  // namespace overlab::cli
