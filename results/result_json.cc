#include "results/result_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "results/comparison.h"
#include "results/report_codec.h"

namespace overlab {
namespace {

using Json = nlohmann::json;

/// A double as JSON: whole numbers without a fraction.
Json number(double value) {
    constexpr double exact =
        9007199254740992.0;  // 2^53: below it every whole double is an exact integer
    if (value == std::round(value) && std::abs(value) < exact)
        return static_cast<std::int64_t>(value);
    return value;
}

/// Table values in the integer unit of the key: percent as parts per million, ns per byte as fs,
/// and so on.
Json in_key_unit(double value, Unit unit) {
    switch (unit) {
        case Unit::percent:
            return std::llround(value * 1e4);
        case Unit::ns_per_byte:
            return std::llround(value * 1e6);
        case Unit::ns_per_packet:
            return std::llround(value * 1e3);
        case Unit::bits_per_second:
        case Unit::nanoseconds:
        case Unit::bytes:
        case Unit::count:
            return std::llround(value);
    }
    return nullptr;
}

Json expectation_json(const ExpectationOutcome& outcome) {
    Json json{{"backend", outcome.backend},
              {"met", outcome.met},
              {"metric", outcome.expectation.metric},
              {"of", outcome.expectation.of},
              {"seed", outcome.seed},
              {"world", outcome.world}};
    if (outcome.expectation.min) json["min"] = number(*outcome.expectation.min);
    if (outcome.expectation.max) json["max"] = number(*outcome.expectation.max);
    if (outcome.measured) json["measured"] = number(*outcome.measured);
    if (!outcome.problem.empty()) json["problem"] = outcome.problem;
    return json;
}

Json comparison_json(const Comparison& comparison) {
    Json rows = Json::object();
    for (const ComparisonRow& row : comparison.rows) {
        Json cells = Json::object();
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            const ComparisonColumn& column = comparison.columns[i];
            if (!row.cells[i].value) continue;
            const std::string key = column.key + "_" + key_suffix(column.unit);
            cells[key] = {
                {"best", row.cells[i].best},
                {"ci95_half_width", in_key_unit(row.cells[i].value->half_width, column.unit)},
                {"mean", in_key_unit(row.cells[i].value->mean, column.unit)},
                {"runs", row.cells[i].value->count}};
        }
        rows[comparison.world_count > 1 ? row.backend + "@" + row.world : row.backend] =
            std::move(cells);
    }
    return rows;
}

Json captures_json(const std::vector<CaptureFile>& captures) {
    Json list = Json::array();
    for (const CaptureFile& capture : captures) {
        list.push_back(
            {{"bytes", capture.bytes}, {"file", capture.file}, {"sha256", capture.sha256}});
    }
    return list;
}

Json repeats_json(const std::vector<RepeatOutcome>& repeats) {
    Json list = Json::array();
    for (const RepeatOutcome& run : repeats) {
        Json differences = Json::array();
        for (const RepeatDifference& one : run.differences) {
            differences.push_back({{"file", one.file}, {"repeat", one.repeat}, {"what", one.what}});
        }
        list.push_back({{"backend", run.backend},
                        {"differences", std::move(differences)},
                        {"identical", run.identical},
                        {"repeats", run.repeats},
                        {"seed", run.seed},
                        {"world", run.world}});
    }
    return list;
}

Json deterministic(const ExperimentResult& result) {
    Json runs = Json::array();
    for (const RunReport& run : result.runs) runs.push_back(report_to_json(run));
    Json expectations = Json::array();
    for (const ExpectationOutcome& outcome : result.expectations)
        expectations.push_back(expectation_json(outcome));
    return {{"backends", result.backends},
            {"comparison",
             result.runs.empty() ? Json::object() : comparison_json(compare(result.runs))},
            {"description", result.description},
            {"expectations", std::move(expectations)},
            {"runs", std::move(runs)},
            {"scenario", result.scenario},
            {"seeds", result.seeds},
            {"worlds", result.worlds}};
}

}  // namespace

std::string deterministic_json(const ExperimentResult& result) {
    return deterministic(result).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string result_json(const ExperimentResult& result, const MachineFacts& machine) {
    Json document{{"overlab", result_schema_version},
                  {"deterministic", deterministic(result)},
                  {"machine",
                   {{"compiler", machine.compiler},
                    {"deterministic_sha256", machine.deterministic_sha256},
                    {"jobs", machine.jobs},
                    {"overlab_version", machine.overlab_version},
                    {"program_sha256", machine.program_sha256},
                    {"scenario_file", machine.scenario_file},
                    {"scenario_sha256", machine.scenario_sha256},
                    {"wall_ns", machine.wall_ns}}}};
    if (!result.captures.empty()) document["captures"] = captures_json(result.captures);
    if (!result.repeats.empty()) document["repeats"] = repeats_json(result.repeats);
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace overlab
