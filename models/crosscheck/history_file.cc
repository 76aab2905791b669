#include "models/crosscheck/history_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace overlab {
namespace {

using Json = nlohmann::json;

/// Hosts on a switch a segment, a router between the switches.
Json underlay_of(const CrossLayout& layout) {
    Json nodes = Json::array();
    Json links = Json::array();
    const auto link = [&](const std::string& a, std::size_t segment) {
        links.push_back({{"ends", {a, fmt::format("sw{}", segment + 1)}},
                         {"mtu", layout.segments[segment].mtu}});
    };
    for (const CrossHost& host : layout.hosts) {
        nodes.push_back({{"name", host.name}, {"address", host.address.to_string()}});
        link(host.name, host.segment);
    }
    for (std::size_t i = 0; i < layout.segments.size(); ++i) {
        nodes.push_back({{"name", fmt::format("sw{}", i + 1)}, {"kind", "switch"}});
        if (layout.segments.size() > 1) link("router", i);
    }
    if (layout.segments.size() > 1) nodes.push_back({{"name", "router"}, {"kind", "router"}});
    return {{"nodes", nodes}, {"links", links}};
}

}  // namespace

std::string history_scenario(const History& history, const std::string& name,
                             const std::string& description) {
    const Json scenario{{"overlab", 1},
                        {"name", name},
                        {"description", description},
                        {"seed", history.seed},
                        {"network", Json::parse(history.network_json)},
                        {"underlay", underlay_of(history.layout)},
                        {"pods", {{"per_host", 1}}},
                        {"history", Json::parse(encode_history(history))}};
    return scenario.dump(2) + "\n";
}

Result<History> read_history_scenario(std::string_view text) {
    constexpr bool with_exceptions = true;
    constexpr bool ignore_comments = true;
    try {
        const Json scenario = Json::parse(text, nullptr, with_exceptions, ignore_comments);
        if (!scenario.is_object() || !scenario.contains("history")) {
            return fail(ErrorKind::invalid_argument,
                        "history: there is none in this file; `overlab crosscheck` writes files "
                        "that have one, `overlab run` takes other scenarios");
        }
        return decode_history(scenario["history"].dump());
    } catch (const Json::exception& problem) {
        return fail(ErrorKind::invalid_argument, fmt::format("history: {}", problem.what()));
    }
}

}  // namespace overlab
