#include "cli/crosscheck_outcome.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace overlab::cli {
namespace {

using Json = nlohmann::json;

Json encode(const CrosscheckFinding& finding) {
    return {{"finding", finding.index},
            {"difference", finding.difference},
            {"history", Json::parse(encode_history(finding.history))},
            {"tries", finding.tries},
            {"minimal", finding.minimal}};
}

Json encode(const CrosscheckCounts& counts) {
    return {{"histories", counts.histories},
            {"steps", counts.steps},
            {"rows", counts.rows},
            {"probes", counts.probes},
            {"probes_left_out", counts.probes_left_out}};
}

Result<CrosscheckFinding> decode_finding(const Json& json) {
    OVERLAB_TRY(History history, decode_history(json.at("history").dump()));
    return CrosscheckFinding{.index = json.at("finding").get<std::uint64_t>(),
                             .difference = json.at("difference").get<std::string>(),
                             .history = std::move(history),
                             .tries = json.at("tries").get<std::size_t>(),
                             .minimal = json.at("minimal").get<bool>()};
}

CrosscheckCounts decode_counts(const Json& json) {
    return {.histories = json.at("histories").get<std::uint64_t>(),
            .steps = json.at("steps").get<std::uint64_t>(),
            .rows = json.at("rows").get<std::uint64_t>(),
            .probes = json.at("probes").get<std::map<std::string, std::uint64_t>>(),
            .probes_left_out = json.at("probes_left_out").get<std::uint64_t>()};
}

Result<CrosscheckOutcome> decode_lines(std::string_view text) {
    CrosscheckOutcome outcome;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) break;
        const Json line = Json::parse(text.substr(0, end));
        text.remove_prefix(end + 1);
        if (line.contains("error")) {
            return fail(static_cast<ErrorKind>(line.at("kind").get<int>()),
                        line.at("error").get<std::string>());
        }
        if (line.contains("counts")) {
            outcome.counts = decode_counts(line.at("counts"));
            return outcome;
        }
        OVERLAB_TRY(CrosscheckFinding finding, decode_finding(line));
        outcome.findings.push_back(std::move(finding));
    }
    return fail(ErrorKind::unavailable, "guest: it ended before its histories did");
}

}  // namespace

std::string encode_outcome(const Result<CrosscheckOutcome>& outcome) {
    if (!outcome) {
        const Error& error = outcome.error();
        return Json{{"error", error.what}, {"kind", static_cast<int>(error.kind)}}.dump() + "\n";
    }
    std::string text;
    for (const CrosscheckFinding& finding : outcome->findings) {
        text += encode(finding).dump() + "\n";
    }
    return text + Json{{"counts", encode(outcome->counts)}}.dump() + "\n";
}

Result<CrosscheckOutcome> decode_outcome(std::string_view text) {
    try {
        return decode_lines(text);
    } catch (const Json::exception& problem) {
        return fail(ErrorKind::unavailable, fmt::format("guest: {}", problem.what()));
    }
}

}  // namespace overlab::cli
