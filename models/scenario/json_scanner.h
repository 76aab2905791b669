// JsonScanner: token positions in a text that a JSON parser reads at the same time. It trusts the
// parser to have accepted every token that it is asked to step over.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "models/scenario/located_json.h"

namespace overlab {

class JsonScanner {
   public:
    JsonScanner(std::string_view text, std::size_t file);

    struct Token {
        Place place;
        std::string_view text;
    };
    /// Steps over what lies between tokens, then over one token.
    Token next();

    /// What lies between the last token and the next: separators, and where the next token begins.
    struct Gap {
        std::size_t commas = 0, colons = 0;
        std::size_t end = 0;
    };
    [[nodiscard]] Gap gap() const;

    /// Where the last token ended.
    [[nodiscard]] std::size_t offset() const { return at_; }
    [[nodiscard]] Place place_of(std::size_t offset) const;

   private:
    std::string_view text_;
    std::size_t file_ = 0;
    std::size_t at_ = 0;
    std::vector<std::size_t> line_starts_;
};

}  // namespace overlab
