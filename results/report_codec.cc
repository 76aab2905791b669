#include "results/report_codec.h"

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <map>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <vector>

#include "results/report_fields.h"

namespace overlab {
namespace {

using Json = nlohmann::json;
using StageTimes = std::array<std::int64_t, cost_stage_count>;

template <typename T>
concept Scalar = std::integral<T> || std::same_as<T, std::string>;

template <Scalar T>
Json to_json_value(const T& value) {
    return value;
}

Json to_json_value(const StageTimes& times) {
    Json json = Json::object();
    for (std::size_t i = 0; i < times.size(); ++i) {
        json[std::string(to_string(static_cast<CostStage>(i)))] = times[i];
    }
    return json;
}

template <typename T>
Json to_json_value(const std::map<std::string, T>& values) {
    return values;
}

template <typename T>
    requires std::is_class_v<T> && (!Scalar<T>)
Json to_json_value(const T& value);

template <typename T>
Json to_json_value(const std::vector<T>& values) {
    Json json = Json::array();
    for (const T& value : values) json.push_back(to_json_value(value));
    return json;
}

template <typename T>
    requires std::is_class_v<T> && (!Scalar<T>)
Json to_json_value(const T& value) {
    Json json = Json::object();
    visit_fields(value,
                 [&](const char* name, const auto& member) { json[name] = to_json_value(member); });
    return json;
}

// The reader throws nlohmann's exceptions; report_from_json turns them into an Error.
template <Scalar T>
void from_json_value(const Json& json, T& value) {
    json.get_to(value);
}

void from_json_value(const Json& json, StageTimes& times) {
    for (std::size_t i = 0; i < times.size(); ++i) {
        json.at(std::string(to_string(static_cast<CostStage>(i)))).get_to(times[i]);
    }
}

template <typename T>
void from_json_value(const Json& json, std::map<std::string, T>& values) {
    json.get_to(values);
}

template <typename T>
    requires std::is_class_v<T> && (!Scalar<T>)
void from_json_value(const Json& json, T& value);

template <typename T>
void from_json_value(const Json& json, std::vector<T>& values) {
    values.clear();
    for (const Json& element : json.get_ref<const Json::array_t&>()) {
        from_json_value(element, values.emplace_back());
    }
}

template <typename T>
    requires std::is_class_v<T> && (!Scalar<T>)
void from_json_value(const Json& json, T& value) {
    visit_fields(value,
                 [&](const char* name, auto& member) { from_json_value(json.at(name), member); });
}

}  // namespace

Json report_to_json(const RunReport& report) { return to_json_value(report); }

Result<RunReport> report_from_json(const Json& json) {
    try {
        RunReport report;
        from_json_value(json, report);
        return report;
    } catch (const Json::exception& problem) {
        return fail(ErrorKind::invalid_argument, fmt::format("run report: {}", problem.what()));
    }
}

std::string encode_report(const RunReport& report) {
    // Names come from scenario files, whose text has been checked to be UTF-8; replace rather than
    // throw.
    return report_to_json(report).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<RunReport> decode_report(std::string_view text) {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return fail(ErrorKind::invalid_argument, "run report: not JSON");
    return report_from_json(json);
}

}  // namespace overlab
