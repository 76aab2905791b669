// LocatedValue: parsed JSON in which every value and key knows its file, line and column, so that a
// message about any of them can point at it.
//
// RFC 8259 and // or /* */ comments. Stricter where leniency hides mistakes: a key given twice is
// an error. Numbers are kept as written, so that nothing is lost in a double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab {

/// 1-based line and column (in bytes) in one of the files that make up a document; 0 if unknown.
struct Place {
    std::size_t file = 0;  ///< index into the document's list of files
    int line = 0, column = 0;

    friend auto operator<=>(const Place&, const Place&) = default;
};

struct LocatedMember;

struct LocatedValue {
    enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    Place place;
    bool boolean = false;
    std::string text;  ///< a string's contents; a number as written
    std::vector<LocatedValue> items;
    std::vector<LocatedMember> members;  ///< in the file's order

    [[nodiscard]] bool is(Kind wanted) const { return kind == wanted; }
    /// The member's value, or null if this is no object or has no such member.
    [[nodiscard]] const LocatedValue* find(std::string_view key) const;
    /// `an object`, `the string "x"`, `the number 5`: for messages.
    [[nodiscard]] std::string describe() const;
    /// Compact JSON text, members in the file's order.
    [[nodiscard]] std::string dump() const;
};

struct LocatedMember {
    std::string key;
    Place place;  ///< the key's
    LocatedValue value;
};

/// What is wrong with a text, and where.
struct SyntaxProblem {
    Place place;
    std::string pointer;  ///< of the value being read, or of the key given twice
    std::string message;
};

inline constexpr std::size_t max_json_depth = 32;
inline constexpr std::size_t max_json_bytes = std::size_t{16} << 20;

/// `file` is the index put into every place.
[[nodiscard]] std::expected<LocatedValue, SyntaxProblem> parse_located_json(std::string_view text,
                                                                            std::size_t file);

/// One step of a JSON pointer (RFC 6901 §3: `~` and `/` escaped), with its leading slash.
[[nodiscard]] std::string pointer_step(std::string_view key);

/// `text` in double quotes, escaped as JSON demands: also the way to put user text on one line.
[[nodiscard]] std::string json_quote(std::string_view text);

}  // namespace overlab
