#include "models/scenario/schema_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "models/base/check.h"
#include "models/base/embedded.h"
#include "models/scenario/schema_messages.h"

namespace overlab {
namespace {

nlohmann::json to_json(const LocatedValue& value) {
    switch (value.kind) {
        case LocatedValue::Kind::null:
            return nullptr;
        case LocatedValue::Kind::boolean:
            return value.boolean;
        // A number keeps its own grammar: 5 is an integer, 5.0 is none.
        case LocatedValue::Kind::number:
            return nlohmann::json::parse(value.text, nullptr, false);
        case LocatedValue::Kind::string:
            return value.text;
        case LocatedValue::Kind::array: {
            nlohmann::json array = nlohmann::json::array();
            for (const LocatedValue& item : value.items) array.push_back(to_json(item));
            return array;
        }
        case LocatedValue::Kind::object: {
            nlohmann::json object = nlohmann::json::object();
            for (const LocatedMember& member : value.members)
                object[member.key] = to_json(member.value);
            return object;
        }
    }
    return nullptr;
}

/// valijson's context is "<root>" and then "[key]" or "[index]".
std::vector<std::string> path_of(const std::vector<std::string>& context) {
    std::vector<std::string> path;
    for (std::size_t i = 1; i < context.size(); ++i)
        path.push_back(context[i].substr(1, context[i].size() - 2));
    return path;
}

/// Violations by place, each place once; enclosing objects fail because of what is inside them.
std::set<std::vector<std::string>> failing_paths(const LocatedValue& document) {
    const std::string_view text = embedded::text("scenarios/schema.json");
    const nlohmann::json schema_document = nlohmann::json::parse(text);
    valijson::Schema schema;
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema_document), schema);

    const nlohmann::json instance = to_json(document);
    valijson::ValidationResults results;
    valijson::Validator validator(valijson::Validator::kStrongTypes);
    std::set<std::vector<std::string>> paths;
    if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(instance), &results))
        return paths;
    for (const auto& error : results) paths.insert(path_of(error.context));
    return paths;
}

}  // namespace

bool check_schema(const LocatedValue& document, ProblemList& problems) {
    const std::set<std::vector<std::string>> paths = failing_paths(document);
    if (paths.empty()) return true;
    const auto schema = parse_located_json(embedded::text("scenarios/schema.json"), 0);
    CHECK(schema.has_value());
    const SchemaMessages messages(*schema);
    std::size_t explained = 0;
    for (const std::vector<std::string>& path : paths)
        explained += messages.explain(document, path, problems);
    // Every keyword that the schema uses has words above; a new one without shows up here and in
    // the tests.
    if (explained == 0)
        problems.problem("", document.place, "the document does not follow the scenario schema");
    return false;
}

}  // namespace overlab
