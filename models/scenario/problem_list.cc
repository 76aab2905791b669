#include "models/scenario/problem_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace overlab {
namespace {

constexpr std::size_t longest_message = 1000;

/// Printable and on one line, whatever text of the user's was quoted in it.
std::string one_paragraph(const std::string& message) {
    std::string line;
    for (const char c : message) {
        if (line.size() == longest_message) return line + "...";
        const auto byte = static_cast<unsigned char>(c);
        line += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    return line;
}

}  // namespace

std::size_t ProblemList::add_file(std::string name) {
    files_.push_back(std::move(name));
    return files_.size() - 1;
}

void ProblemList::problem(const std::string& pointer, Place place, const std::string& message) {
    problems_.push_back({place, pointer, one_paragraph(message)});
}

void ProblemList::warning(const std::string& pointer, Place place, const std::string& message) {
    warnings_.push_back({place, pointer, one_paragraph(message)});
}

std::vector<Problem> ProblemList::problems() const { return in_order(problems_); }

std::vector<Problem> ProblemList::warnings() const { return in_order(warnings_); }

std::vector<Problem> ProblemList::in_order(std::vector<Entry> entries) const {
    std::ranges::stable_sort(entries, {}, &Entry::place);
    std::vector<Problem> list;
    for (Entry& entry : entries) {
        if (list.size() == max_problems) break;
        Problem problem{files_.at(entry.place.file), std::move(entry.pointer), entry.place.line,
                        entry.place.column, std::move(entry.message)};
        const bool again = !list.empty() && list.back().pointer == problem.pointer &&
                           list.back().message == problem.message;
        if (!again) list.push_back(std::move(problem));
    }
    return list;
}

}  // namespace overlab
