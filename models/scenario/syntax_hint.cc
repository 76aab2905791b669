#include "models/scenario/syntax_hint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace overlab {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view word_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && end - at < 40 &&
           (is_letter(text[end]) || is_digit(text[end]) || text[end] == '-'))
        ++end;
    return text.substr(at, end - at);
}

bool in_object(const SyntaxContext& context) {
    return context.container != nullptr && context.container->is(LocatedValue::Kind::object);
}

/// A member or an element has been read and nothing separates it from the offending token.
bool after_value(const SyntaxContext& context) {
    if (context.container == nullptr || context.after_key || context.gap.commas > 0) return false;
    return !context.container->items.empty() || !context.container->members.empty();
}

std::string at_end_of_file(const SyntaxContext& context) {
    if (context.container == nullptr) return "the file is empty; expected one JSON object, { ... }";
    const char open = in_object(context) ? '{' : '[';
    return fmt::format(
        "the file ends but the {} opened at line {} is never closed; add the missing {}", open,
        context.container->place.line, in_object(context) ? '}' : ']');
}

std::string at_closing(const SyntaxContext& context, char close) {
    if (context.container == nullptr)
        return fmt::format("this {} closes nothing; remove it", close);
    if (context.gap.colons > 0 || context.after_key)
        return fmt::format("a value is missing before this {}", close);
    if ((close == '}') != in_object(context)) {
        const char open = in_object(context) ? '{' : '[';
        return fmt::format("this {} does not match the {} opened at line {}", close, open,
                           context.container->place.line);
    }
    return fmt::format("remove the comma before this {}", close);
}

std::string at_word(const SyntaxContext& context, std::string_view word) {
    const std::size_t at = context.gap.end;
    if (at > 0 && at == context.last_token_end && is_digit(context.text[at - 1]))
        return fmt::format(
            "a number with a unit is a string and needs double quotes, such as \"5{}\"", word);
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> spellings{
        {{"True", "true"},
         {"TRUE", "true"},
         {"False", "false"},
         {"FALSE", "false"},
         {"None", "null"},
         {"NULL", "null"}}};
    for (const auto& [written, meant] : spellings) {
        if (word == written) return fmt::format("write {} instead of {}", meant, written);
    }
    if (in_object(context) && !context.after_key && context.gap.colons == 0)
        return fmt::format("the key {} needs double quotes: \"{}\"", word, word);
    return fmt::format("{} is not a JSON value; text needs double quotes: \"{}\"", word, word);
}

std::string at_string(const SyntaxContext& context) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> lexer_says{
        {{"missing closing quote", "this string has no closing double quote"},
         {"U+000A", "a line ends inside this string; close it with a double quote or write \\n"},
         {"U+0009", "this string contains a tab; write \\t"},
         {"control character", "this string contains a control character; escape it as \\u00XX"},
         {"UTF-8", "this string is not valid UTF-8"},
         {"backslash",
          "this string has a backslash before a character that needs none; write \\\\ for a "
          "backslash"}}};
    for (const auto& [says, means] : lexer_says) {
        if (context.parser_says.find(says) != std::string_view::npos) return std::string(means);
    }
    if (context.parser_says.find("\\u") != std::string_view::npos)
        return "this string has a broken \\u escape; four hexadecimal digits must follow, "
               "surrogates in pairs";
    if (context.after_key && context.gap.colons == 0)
        return "a colon is missing between this and the key before it";
    if (after_value(context)) return "a comma is missing before this";
    return "unexpected string";
}

std::string shown(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) return fmt::format("{}", c);
    return fmt::format("byte 0x{:02x}", byte);
}

}  // namespace

std::string syntax_hint(const SyntaxContext& context) {
    const std::size_t at = context.gap.end;
    if (context.parser_says.find("missing closing '*/'") != std::string_view::npos)
        return "a comment begun with /* is never closed with */";
    if (at >= context.text.size()) return at_end_of_file(context);
    const char c = context.text[at];
    const std::size_t separators = context.gap.commas + context.gap.colons;
    if (context.gap.commas > 1) return "two commas in a row; remove one";
    if (separators > 1) return "a comma and a colon in a row; remove one";
    if (context.container == nullptr && context.last_token_end > 0)
        return "the file goes on after its object has ended; a file holds one JSON object";
    if (context.gap.colons > 0 && !context.after_key) return "a colon where none belongs";
    if (context.gap.commas > 0 && context.after_key)
        return "a comma where the key's value should be";
    if (c == '}' || c == ']') return at_closing(context, c);
    if (c == '"') return at_string(context);
    if (c == '\'') return "strings and keys take double quotes, not single ones";
    if (c == '#') return "comments are written // or /* */, not #";
    if (is_letter(c)) return at_word(context, word_at(context.text, at));
    if (is_digit(c) && at == context.last_token_end) return "a number must not begin with 0";
    if (after_value(context)) return "a comma is missing before this";
    if (in_object(context) && !context.after_key && context.gap.colons == 0)
        return "a key in double quotes is expected here";
    if (context.after_key && context.gap.colons == 0) return "a colon is missing after the key";
    if (context.parser_says.find("overflow") != std::string_view::npos)
        return "this number is absurdly large";
    if (is_digit(c) || c == '-' || c == '+' || c == '.')
        return "this is not a JSON number; write it like 5, -5, 0.5 or 5e3";
    return fmt::format("unexpected {}", shown(c));
}

}  // namespace overlab
