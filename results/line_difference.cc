#include "results/line_difference.h"

#include <fmt/format.h>

#include <dtl/dtl.hpp>
#include <utility>

namespace overlab {
namespace {

struct Edit {
    char mark = ' ';  ///< as in the text
    std::string line;
};

/// More lines than this are only counted: an edit script of two unlike texts takes the product of
/// their lengths.
constexpr std::size_t most_lines = 4000;

std::vector<Edit> edits(const std::vector<std::string>& before,
                        const std::vector<std::string>& after) {
    constexpr bool deletes_first = true;
    dtl::Diff<std::string> difference(before, after, deletes_first);
    difference.onHuge();
    difference.compose();
    std::vector<Edit> script;
    for (const auto& [line, info] : difference.getSes().getSequence()) {
        const char mark = info.type == dtl::SES_DELETE ? '-'
                          : info.type == dtl::SES_ADD  ? '+'
                                                       : ' ';
        script.push_back({mark, line});
    }
    return script;
}

/// Which lines of the script are shown: those that change and those around them.
std::vector<bool> shown(const std::vector<Edit>& script, std::size_t context) {
    std::vector<bool> marks(script.size(), false);
    for (std::size_t i = 0; i < script.size(); ++i) {
        if (script[i].mark == ' ') continue;
        const std::size_t first = i < context ? 0 : i - context;
        for (std::size_t k = first; k < script.size() && k <= i + context; ++k) marks[k] = true;
    }
    return marks;
}

std::vector<std::string> render(const std::vector<Edit>& script, std::size_t context) {
    const std::vector<bool> marks = shown(script, context);
    std::vector<std::string> lines;
    bool gap = false;
    for (std::size_t i = 0; i < script.size(); ++i) {
        if (!marks[i]) {
            gap = !lines.empty();
            continue;
        }
        if (std::exchange(gap, false)) lines.emplace_back("...");
        lines.push_back(fmt::format("{} {}", script[i].mark, script[i].line));
    }
    return lines;
}

}  // namespace

LineDifference line_difference(const std::vector<std::string>& before,
                               const std::vector<std::string>& after,
                               const DifferenceLimits& limits) {
    LineDifference result;
    if (before == after) return result;
    if (before.size() > most_lines || after.size() > most_lines) {
        result.removed = before.size();
        result.added = after.size();
        result.lines.push_back(
            fmt::format("({} lines are {} others now)", before.size(), after.size()));
        return result;
    }
    const std::vector<Edit> script = edits(before, after);
    for (const Edit& edit : script) {
        if (edit.mark == '-') ++result.removed;
        if (edit.mark == '+') ++result.added;
    }
    result.lines = render(script, limits.context);
    if (result.lines.size() > limits.longest) {
        const std::size_t left_out = result.lines.size() - limits.longest;
        result.lines.resize(limits.longest);
        result.lines.push_back(fmt::format("({} more lines)", left_out));
    }
    return result;
}

}  // namespace overlab
