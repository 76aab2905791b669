// Rows from and to the compact dump form, so that a test shows what a host holds as a person reads
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/base/check.h"
#include "models/forwarding/rows.h"

namespace overlab::test {

inline Row row(std::string_view line) {
    Result<Row> parsed = parse_row(line);
    if (!parsed) check_failed("row_lines.h", 0, parsed.error().what.c_str());
    return *parsed;
}

/// One row a line; leading spaces and empty lines are ignored.
inline std::vector<Row> rows(std::string_view text) {
    std::vector<Row> found;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (line.find_first_not_of(' ') != std::string_view::npos) found.push_back(row(line));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return found;
}

inline ForwardingState state(std::string_view text) { return ForwardingState::of(rows(text)); }

/// The given text without indentation: what ForwardingState::to_string() answers for it.
inline std::string lines(std::string_view text) { return state(text).to_string(); }

/// `+ route ...` and `- route ...`, in the order of the changes.
inline std::string lines(const std::vector<RowChange>& changes) {
    std::string text;
    for (const RowChange& change : changes) {
        text += change.action == RowChange::Action::install ? "+ " : "- ";
        text += to_string(change.row) + '\n';
    }
    return text;
}

}  // namespace overlab::test
