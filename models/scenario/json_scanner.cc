#include "models/scenario/json_scanner.h"

#include <algorithm>

namespace overlab {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::string_view white_space = " \t\r\n";

std::size_t end_of_comment(std::string_view text, std::size_t at) {
    const bool to_line_end = text.substr(at).starts_with("//");
    const std::size_t end = text.find(to_line_end ? "\n" : "*/", at + 2);
    if (end == std::string_view::npos) return text.size();
    return end + (to_line_end ? 1 : 2);
}

std::size_t end_of_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\') ++at;
    }
    return std::min(at + 1, text.size());
}

/// RFC 8259 §6, so that what a number must not hold ("5us", "07") is left for the next token.
std::size_t end_of_number(std::string_view text, std::size_t at) {
    const auto skip = [&](std::string_view set) {
        const std::size_t end = text.find_first_not_of(set, at);
        at = end == std::string_view::npos ? text.size() : end;
    };
    constexpr std::string_view digits = "0123456789";
    const auto next_is = [&](std::string_view set) {
        return at < text.size() && set.find(text[at]) != std::string_view::npos;
    };
    if (next_is("-")) ++at;
    if (next_is("0"))
        ++at;
    else
        skip(digits);
    if (next_is(".")) {
        ++at;
        skip(digits);
    }
    if (next_is("eE")) {
        ++at;
        if (next_is("+-")) ++at;
        skip(digits);
    }
    return at;
}

std::size_t end_of_token(std::string_view text, std::size_t at) {
    if (at >= text.size()) return text.size();
    if (text[at] == '"') return end_of_string(text, at);
    if (std::string_view("{}[]").find(text[at]) != std::string_view::npos) return at + 1;
    if (std::string_view("-0123456789").find(text[at]) != std::string_view::npos)
        return end_of_number(text, at);
    const std::size_t end = text.find_first_of(" \t\r\n,:{}[]\"/", at);
    return end == std::string_view::npos ? text.size() : end;
}

}  // namespace

JsonScanner::JsonScanner(std::string_view text, std::size_t file) : text_(text), file_(file) {
    if (text.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    line_starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') line_starts_.push_back(i + 1);
    }
}

JsonScanner::Gap JsonScanner::gap() const {
    Gap gap;
    std::size_t at = at_;
    while (at < text_.size()) {
        const std::string_view rest = text_.substr(at);
        if (rest.starts_with("//") || rest.starts_with("/*")) {
            at = end_of_comment(text_, at);
            continue;
        }
        if (rest.front() == ',')
            ++gap.commas;
        else if (rest.front() == ':')
            ++gap.colons;
        else if (white_space.find(rest.front()) == std::string_view::npos)
            break;
        ++at;
    }
    gap.end = at;
    return gap;
}

JsonScanner::Token JsonScanner::next() {
    const std::size_t start = gap().end;
    at_ = end_of_token(text_, start);
    return {place_of(start), text_.substr(start, at_ - start)};
}

Place JsonScanner::place_of(std::size_t offset) const {
    const auto after = std::ranges::upper_bound(line_starts_, offset);
    const auto line = static_cast<std::size_t>(after - line_starts_.begin());
    return {file_, static_cast<int>(line), static_cast<int>(offset - line_starts_[line - 1]) + 1};
}

}  // namespace overlab
