#include "models/scenario/problem_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace overlab {
namespace {

constexpr std::size_t longest_message = 1000;

std::string shortened(std::string message) {
    if (message.size() > longest_message) {
        message.resize(longest_message);
        message += "...";
    }
    return one_line(std::move(message));
}

}  // namespace

std::string one_line(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    }
    return text;
}

std::size_t ProblemList::add_file(std::string name) {
    files_.push_back(std::move(name));
    return files_.size() - 1;
}

void ProblemList::problem(const std::string& pointer, Place place, const std::string& message) {
    problems_.push_back({place, problems_.size(), pointer, shortened(message)});
}

void ProblemList::warning(const std::string& pointer, Place place, const std::string& message) {
    warnings_.push_back({place, warnings_.size(), pointer, shortened(message)});
}

std::vector<Problem> ProblemList::problems() const { return in_order(problems_); }

std::vector<Problem> ProblemList::warnings() const { return in_order(warnings_); }

std::vector<Problem> ProblemList::in_order(std::vector<Entry> entries) const {
    std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.place, e.number); });
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
