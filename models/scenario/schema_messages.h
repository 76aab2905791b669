// Words for schema violations. Given the place in the document that fails, the schema node that
// governs it is looked up and the value is explained against that node: an unknown key with the
// nearest known one, a wrong type with the right one, a number with its range, a word with the list
// of words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/located_json.h"
#include "models/scenario/problem_list.h"

namespace overlab {

class SchemaMessages {
   public:
    /// `schema` is draft-07 with local references only; it must outlive this.
    explicit SchemaMessages(const LocatedValue& schema) : schema_(schema) {}

    /// Reports what is wrong with the value at `path` (keys and array indexes from the root),
    /// itself and not its members. Returns how many problems that was.
    std::size_t explain(const LocatedValue& document, const std::vector<std::string>& path,
                        ProblemList& problems) const;

   private:
    [[nodiscard]] const LocatedValue* resolve(const LocatedValue* node) const;
    [[nodiscard]] const LocatedValue* step(const LocatedValue& node, const std::string& key) const;

    const LocatedValue& schema_;
};

}  // namespace overlab
