#include "models/scenario/backend_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "models/backends/backend.h"
#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/base/suggest.h"
#include "models/lease/field_reader.h"

namespace overlab {
namespace {

/// What a comparison runs when the file does not say: in every world.
constexpr std::array<std::string_view, 4> usual_backends{"host-gw", "vxlan", "ipsec", "udp"};
/// What a name alone can stand for.
constexpr std::array<std::string_view, 6> known_backends{"host-gw", "vxlan", "ipsec",
                                                         "udp",     "ipip",  "wireguard"};

const LocatedMember* find_backend(const LocatedValue& network) {
    const auto it = std::ranges::find_if(network.members, [](const LocatedMember& m) {
        return equal_ignoring_case(m.key, "Backend");
    });
    return it == network.members.end() ? nullptr : &*it;
}

void report(const ParsedNetworkConfig& parsed, const JsonCursor& network) {
    for (const ConfigProblem& problem : parsed.problems)
        network.problem_below(problem.pointer, problem.message);
    for (const ConfigProblem& warning : parsed.warnings)
        network.warning_below(warning.pointer, warning.message);
}

/// The scenario's own Backend object if it is of that type, else the type with its defaults.
std::string usual_object(std::string_view type, const Scenario& scenario,
                         const LocatedValue& network) {
    const LocatedMember* own = find_backend(network);
    if (own != nullptr && type == backend_name(scenario.network.backend)) return own->value.dump();
    if (type == "ipsec")
        return fmt::format(R"({{"Type":"ipsec","PSK":"{}"}})", test_psk(scenario.name));
    return fmt::format(R"({{"Type":"{}"}})", type);
}

/// The Backend object that an element of `compare` stands for; empty if it is no known type.
std::string backend_object(const JsonCursor& item, const Scenario& scenario,
                           const LocatedValue& network) {
    if (!item.value().is(LocatedValue::Kind::string)) return item.value().dump();
    const std::string type = to_lower(item.value().text);
    if (std::ranges::find(known_backends, type) == known_backends.end()) {
        item.problem(fmt::format("{} is no backend type that can be compared{}; known: {}",
                                 json_quote(item.value().text), did_you_mean(type, known_backends),
                                 fmt::join(known_backends, ", ")));
        return {};
    }
    return usual_object(type, scenario, network);
}

/// The backend's canonical name; nothing (and a report at `item`) if no network can have it.
std::optional<std::string> check_backend(const std::string& network_json, const JsonCursor& item) {
    const ParsedNetworkConfig parsed = parse_network_config(network_json);
    for (const ConfigProblem& problem : parsed.problems) {
        constexpr std::string_view prefix = "/Backend";
        const bool inside = item.value().is(LocatedValue::Kind::object) &&
                            equal_ignoring_case(problem.pointer.substr(0, prefix.size()), prefix);
        if (inside)
            item.problem_below(problem.pointer.substr(prefix.size()), problem.message);
        else
            item.problem(fmt::format("network {}: {}", problem.pointer, problem.message));
    }
    if (!parsed.problems.empty()) return std::nullopt;
    const auto backend = make_backend(parsed.config);
    if (backend) return std::string(backend_name(parsed.config.backend));
    item.problem(backend.error().what);
    return std::nullopt;
}

void add_backend(Scenario& scenario, const std::string& type, const std::string& object) {
    scenario.compare_backends.push_back(type);
    scenario.compare_backend_json[type] = object;
}

}  // namespace

bool read_network(const JsonCursor& network, Scenario& scenario) {
    scenario.network_json = network.value().dump();
    const ParsedNetworkConfig parsed = parse_network_config(scenario.network_json);
    report(parsed, network);
    if (!parsed.problems.empty()) return false;
    scenario.network = parsed.config;
    const auto backend = make_backend(scenario.network);
    if (!backend) {
        const LocatedMember* given = find_backend(network.value());
        (given == nullptr ? network : network.at(given->key)).problem(backend.error().what);
    }
    return backend.has_value();
}

void read_compare(const JsonCursor& compare, Scenario& scenario) {
    const auto network = parse_located_json(scenario.network_json, 0);
    CHECK(network.has_value());
    const JsonCursor list = compare.at("network.Backend.Type");
    if (!list.exists()) {
        const std::string_view own = backend_name(scenario.network.backend);
        for (const std::string_view type : known_backends) {
            const std::string object = usual_object(type, scenario, *network);
            const auto parsed =
                parse_network_config(replace_backend(scenario.network_json, object));
            if (!parsed.problems.empty()) continue;
            const bool compared =
                type == own || std::ranges::find(usual_backends, type) != usual_backends.end();
            if (compared) scenario.compare_backends.emplace_back(type);
            scenario.compare_backend_json[std::string(type)] = object;
        }
        return;
    }
    for (const JsonCursor& item : list.items()) {
        const std::string object = backend_object(item, scenario, *network);
        if (object.empty()) continue;
        const auto type = check_backend(replace_backend(scenario.network_json, object), item);
        if (!type) continue;
        if (scenario.compare_backend_json.contains(*type))
            item.problem(fmt::format("{} is in the list already", *type));
        else
            add_backend(scenario, *type, object);
    }
}

std::string replace_backend(std::string_view network_json, std::string_view backend_json) {
    auto network = parse_located_json(network_json, 0);
    auto backend = parse_located_json(backend_json, 0);
    CHECK(network.has_value());
    CHECK(backend.has_value());
    const LocatedMember* known = find_backend(*network);
    if (known == nullptr) {
        network->members.push_back({"Backend", {}, std::move(*backend)});
    } else {
        network->members[static_cast<std::size_t>(known - network->members.data())].value =
            std::move(*backend);
    }
    return network->dump();
}

std::string test_psk(std::string_view scenario_name) {
    Rng rng = Rng::stream(0, fmt::format("test-psk/{}", scenario_name));
    std::string psk;
    for (int word = 0; word < 6; ++word) psk += fmt::format("{:016x}", rng.next());
    return psk;
}

}  // namespace overlab
