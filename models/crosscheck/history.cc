#include "models/crosscheck/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/lease/network_config.h"

namespace overlab {
namespace {

using Json = nlohmann::json;
using Target = HistoryProbe::Target;

constexpr std::array<std::string_view, 3> target_names{"pod", "absent_pod", "nowhere"};

Json encode(const HistoryProbe& probe) {
    return {{"from", probe.from},
            {"to", probe.to},
            {"target", target_names[static_cast<std::size_t>(probe.target)]},
            {"size_bytes", probe.size},
            {"dont_fragment", probe.dont_fragment},
            {"ttl", probe.ttl}};
}

/// Only what the step's kind uses.
Json encode(const HistoryStep& step) {
    Json json{{"do", to_string(step.kind)}};
    using Kind = HistoryStep::Kind;
    switch (step.kind) {
        case Kind::start:
        case Kind::stop:
        case Kind::kill:
            json["host"] = step.host;
            break;
        case Kind::rewrite:
            json["host"] = step.host;
            json["value"] = step.value;
            break;
        case Kind::meddle_delete:
        case Kind::meddle_change:
            json["host"] = step.host;
            json["pick"] = step.pick;
            break;
        case Kind::foreign:
        case Kind::malformed:
        case Kind::compact:
            json["value"] = step.value;
            json["key"] = step.key;
            break;
        case Kind::remove:
            json["key"] = step.key;
            break;
        case Kind::wait:
        case Kind::expire:
            break;
    }
    for (const HistoryProbe& probe : step.probes) json["probes"].push_back(encode(probe));
    return json;
}

std::unexpected<Error> wrong(const std::string& where, std::string_view what) {
    return fail(ErrorKind::invalid_argument, fmt::format("history: {}: {}", where, what));
}

template <std::size_t n>
std::optional<std::size_t> index_of(const std::array<std::string_view, n>& names,
                                    const std::string& name) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names.begin());
}

Result<HistoryProbe> decode_probe(const Json& json, std::size_t hosts, const std::string& where) {
    HistoryProbe probe{.from = json.at("from").get<std::size_t>(),
                       .to = json.at("to").get<std::size_t>(),
                       .size = json.at("size_bytes").get<std::uint32_t>(),
                       .dont_fragment = json.at("dont_fragment").get<bool>(),
                       .ttl = json.at("ttl").get<std::uint8_t>()};
    const auto target = index_of(target_names, json.at("target").get<std::string>());
    if (!target) return wrong(where, "target is none of pod, absent_pod, nowhere");
    probe.target = static_cast<Target>(*target);
    if (probe.from >= hosts || probe.to >= hosts) return wrong(where, "no such host");
    if (probe.from == probe.to) return wrong(where, "goes to the host that it comes from");
    if (probe.size < 36 || probe.size > 65535) return wrong(where, "size_bytes is not 36..65535");
    if (probe.ttl == 0) return wrong(where, "ttl is 0");
    return probe;
}

Result<HistoryStep> decode_step(const Json& json, std::size_t hosts, const std::string& where) {
    HistoryStep step;
    const auto kind = index_of(history_step_names, json.at("do").get<std::string>());
    if (!kind) return wrong(where, "do: no such kind of step");
    step.kind = static_cast<HistoryStep::Kind>(*kind);
    step.host = json.value("host", std::size_t{0});
    step.pick = json.value("pick", std::uint32_t{0});
    step.key = json.value("key", "");
    step.value = json.value("value", "");
    if (step.host >= hosts) return wrong(where, "no such host");
    std::size_t number = 0;
    for (const Json& probe : json.value("probes", Json::array())) {
        OVERLAB_TRY(const HistoryProbe read,
                    decode_probe(probe, hosts, fmt::format("{}/probes/{}", where, number++)));
        step.probes.push_back(read);
    }
    return step;
}

Result<CrossLayout> decode_layout(const Json& json) {
    CrossLayout layout;
    for (const Json& segment : json.at("segments")) {
        OVERLAB_TRY(const Ipv4Prefix subnet,
                    Ipv4Prefix::parse(segment.at("subnet").get<std::string>()));
        const auto mtu = segment.at("mtu").get<std::uint32_t>();
        if (subnet.length != 24) return wrong("segments", "a segment's subnet is a /24");
        if (mtu < 576 || mtu > 9000) return wrong("segments", "mtu is not 576..9000");
        layout.segments.push_back({subnet, mtu});
    }
    for (const Json& host : json.at("hosts")) {
        OVERLAB_TRY(const Ipv4Address address,
                    Ipv4Address::parse(host.at("address").get<std::string>()));
        const auto segment = host.at("segment").get<std::size_t>();
        if (segment >= layout.segments.size()) return wrong("hosts", "no such segment");
        if (!layout.segments[segment].subnet.contains(address)) {
            return wrong("hosts", "an address lies outside its segment");
        }
        layout.hosts.push_back({host.at("name").get<std::string>(), segment, address});
    }
    const auto by_name = [](const CrossHost& a, const CrossHost& b) { return a.name >= b.name; };
    if (layout.hosts.size() < 2 || layout.hosts.size() > max_history_hosts) {
        return wrong("hosts", fmt::format("there are not 2..{} of them", max_history_hosts));
    }
    if (std::ranges::adjacent_find(layout.hosts, by_name) != layout.hosts.end()) {
        return wrong("hosts", "names do not ascend");
    }
    return layout;
}

Result<History> decode(const Json& json) {
    History history;
    history.seed = json.at("seed").get<std::uint64_t>();
    OVERLAB_TRY(history.layout, decode_layout(json));
    history.network_json = json.at("network").dump();
    const ParsedNetworkConfig config = parse_network_config(history.network_json);
    if (!config.problems.empty()) {
        return wrong("network" + config.problems[0].pointer, config.problems[0].message);
    }
    const Json& steps = json.at("steps");
    if (steps.size() > max_history_steps) return wrong("steps", "too many");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        OVERLAB_TRY(HistoryStep step,
                    decode_step(steps[i], history.layout.hosts.size(), fmt::format("steps/{}", i)));
        history.steps.push_back(std::move(step));
    }
    return history;
}

}  // namespace

std::string_view to_string(HistoryStep::Kind kind) {
    return history_step_names[static_cast<std::size_t>(kind)];
}

std::string encode_history(const History& history) {
    Json json{{"seed", history.seed}, {"network", Json::parse(history.network_json)}};
    for (const CrossSegment& segment : history.layout.segments) {
        json["segments"].push_back({{"subnet", segment.subnet.to_string()}, {"mtu", segment.mtu}});
    }
    for (const CrossHost& host : history.layout.hosts) {
        json["hosts"].push_back({{"name", host.name},
                                 {"segment", host.segment},
                                 {"address", host.address.to_string()}});
    }
    json["steps"] = Json::array();
    for (const HistoryStep& step : history.steps) json["steps"].push_back(encode(step));
    return json.dump(1);
}

Result<History> decode_history(std::string_view json) {
    try {
        return decode(Json::parse(json));
    } catch (const Json::exception& problem) {
        return fail(ErrorKind::invalid_argument, fmt::format("history: {}", problem.what()));
    }
}

}  // namespace overlab
