// What a JSON syntax error means, in plain words: the parser knows what token it wanted; a person
// wants to know which comma to remove.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "models/scenario/json_scanner.h"
#include "models/scenario/located_json.h"

namespace overlab {

struct SyntaxContext {
    std::string_view text;
    std::size_t last_token_end = 0;           ///< where the last accepted token ended
    JsonScanner::Gap gap;                     ///< from there to the offending token
    const LocatedValue* container = nullptr;  ///< the innermost open one; null outside all
    bool after_key = false;                   ///< the last accepted token was a key
    std::string_view parser_says;             ///< nlohmann's message
};

/// One or two sentences on one line.
[[nodiscard]] std::string syntax_hint(const SyntaxContext& context);

}  // namespace overlab
