#include "cli/fuzz_finding.h"

#include <nlohmann/json.hpp>

namespace overlab::cli {
namespace {

using Json = nlohmann::json;

}  // namespace

std::string encode_finding(const FuzzFinding& finding) {
    return Json{{"seed", finding.seed},       {"invariant", finding.invariant},
                {"what", finding.what},       {"faults", finding.faults},
                {"hosts", finding.hosts},     {"tries", finding.tries},
                {"minimal", finding.minimal}, {"scenario", finding.scenario}}
        .dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<FuzzFinding> decode_finding(std::string_view line) try {
    const Json json = Json::parse(line);
    return FuzzFinding{.seed = json.at("seed").get<std::uint64_t>(),
                       .invariant = json.at("invariant").get<std::string>(),
                       .what = json.at("what").get<std::string>(),
                       .faults = json.at("faults").get<std::size_t>(),
                       .hosts = json.at("hosts").get<std::size_t>(),
                       .tries = json.at("tries").get<std::size_t>(),
                       .minimal = json.at("minimal").get<bool>(),
                       .scenario = json.at("scenario").get<std::string>()};
} catch (const Json::exception& problem) {
    return fail(ErrorKind::invalid_argument, problem.what());
}

}  // namespace overlab::cli
