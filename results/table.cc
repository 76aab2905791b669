#include "results/table.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

constexpr std::string_view gap = "  ";
constexpr std::string_view rule = "─";

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos;
         end = text.find('\n', begin)) {
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    lines.push_back(text.substr(begin));
    return lines;
}

/// SGR (ECMA-48) sequence that starts the style; empty for plain text.
std::string_view escape_of(CellStyle style) {
    switch (style) {
        case CellStyle::plain:
            return "";
        case CellStyle::heading:
            return "\x1b[1m";
        case CellStyle::best:
            return "\x1b[32m";
        case CellStyle::bad:
            return "\x1b[31m";
    }
    return "";
}

std::string painted(const std::string& text, CellStyle style, bool colour) {
    const std::string_view escape = escape_of(style);
    if (!colour || escape.empty() || text.empty()) return text;
    return std::string(escape) + text + "\x1b[0m";
}

std::string spaces(std::size_t width, const std::string& text) {
    return std::string(width - display_width(text), ' ');
}

void end_line(std::string& out) {
    while (!out.empty() && out.back() == ' ') out.pop_back();
    out += '\n';
}

}  // namespace

std::size_t display_width(const std::string& text) {
    // Every byte of UTF-8 but the continuation bytes 10xxxxxx begins a code point.
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

void Table::add_row(std::vector<TableCell> row) {
    CHECK(rows_.empty() || row.size() == rows_.front().size());
    rows_.push_back(std::move(row));
}

/// A heading lies over text and mark together.
Table::ColumnWidth Table::heading_width(const TableCell& heading) {
    ColumnWidth width;
    for (const std::string& line : lines_of(heading.text)) {
        width.all = std::max(width.all, display_width(line));
    }
    return width;
}

std::vector<Table::ColumnWidth> Table::widths() const {
    std::vector<ColumnWidth> widths;
    for (const TableCell& heading : rows_.front()) widths.push_back(heading_width(heading));
    for (std::size_t r = 1; r < rows_.size(); ++r) {
        for (std::size_t i = 0; i < rows_[r].size(); ++i) {
            widths[i].text = std::max(widths[i].text, display_width(rows_[r][i].text));
            widths[i].mark = std::max(widths[i].mark, display_width(rows_[r][i].mark));
        }
    }
    for (ColumnWidth& width : widths) {
        width.all = std::max(width.all, width.text + width.mark);
        width.text = width.all - width.mark;
    }
    return widths;
}

bool Table::is_left(std::size_t column) const { return column == 0 || rows_.front()[column].left; }

std::size_t Table::total_width() const {
    std::size_t total = 0;
    for (const ColumnWidth& width : widths()) total += width.all + gap.size();
    return total - gap.size();
}

Table Table::transposed() const {
    Table turned;
    for (std::size_t column = 0; column < rows_.front().size(); ++column) {
        std::vector<TableCell> row;
        for (const auto& source : rows_) {
            TableCell cell = source[column];
            std::ranges::replace(cell.text, '\n', ' ');
            if (column > 0 && row.empty()) cell.style = CellStyle::plain;
            cell.left = false;
            row.push_back(std::move(cell));
        }
        turned.add_row(std::move(row));
    }
    for (TableCell& cell : turned.rows_.front()) cell.style = CellStyle::heading;
    return turned;
}

std::string Table::render_heading(const std::vector<ColumnWidth>& widths, bool colour) const {
    std::size_t height = 0;
    std::vector<std::vector<std::string>> columns;
    for (const TableCell& cell : rows_.front()) {
        columns.push_back(lines_of(cell.text));
        height = std::max(height, columns.back().size());
    }
    std::string out;
    for (std::size_t line = 0; line < height; ++line) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            // Short headings sit at the bottom, next to the rule.
            const std::size_t skip = height - columns[i].size();
            const std::string text = line < skip ? "" : columns[i][line - skip];
            if (i > 0) out += gap;
            const std::string padding = spaces(widths[i].all, text);
            const std::string painted_text = painted(text, CellStyle::heading, colour);
            out += is_left(i) ? painted_text + padding : padding + painted_text;
        }
        end_line(out);
    }
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const std::size_t length = widths[i].all + (i + 1 < widths.size() ? gap.size() : 0);
        for (std::size_t k = 0; k < length; ++k) out += rule;
    }
    return out + "\n";
}

std::string Table::render(const TableOptions& options) const {
    if (rows_.empty()) return {};
    if (options.width > 0 && total_width() > options.width) {
        const Table turned = transposed();
        if (turned.total_width() < total_width()) return turned.render({options.colour, 0});
    }
    const auto columns = widths();
    std::string out = render_heading(columns, options.colour);
    for (std::size_t r = 1; r < rows_.size(); ++r) {
        for (std::size_t i = 0; i < rows_[r].size(); ++i) {
            if (i > 0) out += gap;
            const TableCell& cell = rows_[r][i];
            const std::string padding = spaces(columns[i].text, cell.text);
            const std::string text = painted(cell.text + cell.mark, cell.style, options.colour);
            out += is_left(i) ? text + padding : padding + text;
            out += spaces(columns[i].mark, cell.mark);
        }
        end_line(out);
    }
    return out;
}

}  // namespace overlab
