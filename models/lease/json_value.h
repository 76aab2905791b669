// JsonValue: parsed JSON that still knows what a decoder usually forgets: the order of members,
// duplicate keys, and numbers as they were written. Configuration messages need all three.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab {

struct JsonMember;

struct JsonValue {
    enum class Kind : std::uint8_t { null, boolean, integer, number, string, array, object };

    Kind kind = Kind::null;
    bool boolean = false;
    std::int64_t integer = 0;         ///< Kind::integer; whatever does not fit is Kind::number
    std::string text;                 ///< a string's contents; a number as written
    std::vector<JsonValue> elements;  ///< Kind::array
    std::vector<JsonMember> members;  ///< Kind::object, in the order written, duplicates included

    /// `an object`, `a string`, ...: for messages. Contents are left out: they may be secret.
    [[nodiscard]] std::string_view kind_name() const;
};

struct JsonMember {
    std::string key;
    JsonValue value;
};

/// RFC 8259 text, without comments. Errors: invalid_argument with line and column; nesting deeper
/// than 64 and texts over 1 MiB (more than a store's value may hold) are refused.
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text);

}  // namespace overlab
