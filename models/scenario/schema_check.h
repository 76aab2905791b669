// Schema check: a document against scenarios/schema.json. valijson says whether and where it fails;
// the words come from the schema itself (schema_messages.h), because "Value type not permitted"
// helps nobody.
#pragma once

#include "models/scenario/located_json.h"
#include "models/scenario/problem_list.h"

namespace overlab {

/// Reports every violation. True if there is none.
[[nodiscard]] bool check_schema(const LocatedValue& document, ProblemList& problems);

}  // namespace overlab
