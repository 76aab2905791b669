// Table: text in columns for a terminal. Debian 12 has no small library for it (libfort and
// tabulate are not packaged), and what is needed fits a page: alignment by what is seen (UTF-8),
// headings of several lines, colours that can be switched off, and turning rows into columns when a
// table is too wide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace overlab {

enum class CellStyle : std::uint8_t { plain, heading, best, bad };

struct TableCell {
    std::string text;  ///< one line; headings may have '\n'
    CellStyle style = CellStyle::plain;
    std::string mark;   ///< stands right of the text, marks below marks and texts below texts
    bool left = false;  ///< of a heading: its column is aligned left, as the first always is
};

struct TableOptions {
    bool colour = false;
    std::size_t width = 100;  ///< a wider table is turned over; 0: any width
};

/// Columns are aligned right but for the first. The first row given is the heading.
class Table {
   public:
    /// CHECK: every row has as many cells as the first.
    void add_row(std::vector<TableCell> row);

    /// One line a row, each with its newline. Turned over (rows for columns) if wider than
    /// options.width and narrower that way.
    [[nodiscard]] std::string render(const TableOptions& options) const;

    [[nodiscard]] Table transposed() const;

   private:
    struct ColumnWidth {
        std::size_t text = 0, mark = 0, all = 0;
    };
    [[nodiscard]] static ColumnWidth heading_width(const TableCell& heading);
    [[nodiscard]] std::vector<ColumnWidth> widths() const;
    [[nodiscard]] bool is_left(std::size_t column) const;
    [[nodiscard]] std::size_t total_width() const;
    [[nodiscard]] std::string render_heading(const std::vector<ColumnWidth>& widths,
                                             bool colour) const;

    std::vector<std::vector<TableCell>> rows_;
};

/// How many columns of a terminal the text takes: code points, all of them being one column wide
/// here.
[[nodiscard]] std::size_t display_width(const std::string& text);

}  // namespace overlab
