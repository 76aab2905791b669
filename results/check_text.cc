#include "results/check_text.h"

#include <fmt/format.h>

#include <string_view>

namespace overlab {
namespace {

constexpr std::string_view red = "\x1b[31m", yellow = "\x1b[33m", green = "\x1b[32m",
                           plain = "\x1b[0m";

std::string coloured(std::string_view text, std::string_view colour, bool wanted) {
    return wanted ? fmt::format("{}{}{}", colour, text, plain) : std::string(text);
}

std::string difference_line(const std::string& line, bool colour) {
    if (line.starts_with("- ")) return coloured(line, red, colour);
    if (line.starts_with("+ ")) return coloured(line, green, colour);
    return line;
}

std::string run_text(const CheckedRun& run, bool colour) {
    std::string text;
    const std::string of = run.world == "sim" ? run.backend : run.backend + ", " + run.world;
    for (const CheckFailure& failure : run.failures) {
        text += fmt::format("        {}: {}: {}\n", of, to_string(failure.kind), failure.what);
        for (const std::string& line : failure.lines)
            text += fmt::format("          {}\n", difference_line(line, colour));
    }
    for (const std::string& warning : run.warnings)
        text += fmt::format("        {}: {}\n", of, warning);
    return text;
}

}  // namespace

std::string check_text(const CheckedScenario& scenario, const CheckTextOptions& options) {
    const std::string name =
        scenario.folder.empty() ? scenario.name : scenario.folder + "/" + scenario.name;
    if (scenario.left_out) return fmt::format("left out {} (large)\n", name);
    if (!scenario.problems.empty()) {
        std::string text = fmt::format("{} {}\n", coloured("BROKEN ", red, options.colour), name);
        for (const Problem& problem : scenario.problems)
            text += fmt::format("        {}\n", problem.to_string());
        return text;
    }
    const std::string verdict = scenario.failed()   ? coloured("FAILED ", red, options.colour)
                                : scenario.warned() ? coloured("warning", yellow, options.colour)
                                                    : coloured("ok     ", green, options.colour);
    std::string text = fmt::format("{} {}", verdict, name);
    if (scenario.runs.size() != 1) text += fmt::format(" ({} runs)", scenario.runs.size());
    constexpr double second_ns = 1e9;
    if (options.wall_time)
        text += fmt::format("  {:.1f} s", static_cast<double>(scenario.wall_ns()) / second_ns);
    text += '\n';
    for (const std::string& warning : scenario.warnings)
        text += fmt::format("        {}\n", warning);
    for (const CheckedRun& run : scenario.runs) text += run_text(run, options.colour);
    return text;
}

}  // namespace overlab
