#include "models/scenario/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace overlab {
namespace {

constexpr std::size_t max_pods = 20'000;

std::vector<PodSpec> pods_per_host(const JsonCursor& count_at, const Underlay& underlay) {
    std::vector<PodSpec> pods;
    const std::uint64_t count = count_at.integer().value_or(0);
    for (std::size_t host = 0; host < underlay.nodes.size(); ++host) {
        const UnderlayNode& node = underlay.nodes[host];
        if (node.kind != UnderlayNode::Kind::host || !node.runs_node) continue;
        for (std::uint64_t i = 1; i <= count; ++i)
            pods.push_back(
                {fmt::format("{}-p{:0{}}", node.name, i, fmt::formatted_size("{}", count)), host});
    }
    if (pods.size() > max_pods)
        count_at.problem(
            fmt::format("this makes {} pods; at most {} are supported", pods.size(), max_pods));
    return pods;
}

}  // namespace

std::optional<std::size_t> find_host(const Underlay& underlay, const std::string& name,
                                     const JsonCursor& at) {
    const auto it = std::ranges::lower_bound(underlay.nodes, name, {}, &UnderlayNode::name);
    if (it != underlay.nodes.end() && it->name == name) {
        if (it->kind == UnderlayNode::Kind::host)
            return static_cast<std::size_t>(it - underlay.nodes.begin());
        at.problem(fmt::format("{} is not a host", json_quote(name)));
        return std::nullopt;
    }
    std::vector<std::string_view> names;
    for (const UnderlayNode& node : underlay.nodes) {
        if (node.kind == UnderlayNode::Kind::host) names.push_back(node.name);
    }
    at.problem(
        fmt::format("there is no host called {}{}", json_quote(name), name_hint(name, names)));
    return std::nullopt;
}

std::vector<PodSpec> read_pods(const JsonCursor& pods_at, const Underlay& underlay) {
    if (pods_at.has("per_host")) {
        std::vector<PodSpec> pods = pods_per_host(pods_at.at("per_host"), underlay);
        std::ranges::sort(pods, {}, &PodSpec::name);
        return pods;
    }
    std::vector<PodSpec> pods;
    std::set<std::string> seen;
    for (const JsonCursor& at : pods_at.items()) {
        const std::string name = at.at("name").text().value_or("");
        if (!is_name(name)) {
            at.at("name").problem(
                "a pod's name is a letter or digit, then letters, digits, '-', '_' or '.'");
            continue;
        }
        const auto host = find_host(underlay, at.at("host").text().value_or(""), at.at("host"));
        if (!seen.insert(name).second)
            at.at("name").problem(
                fmt::format("there is already a pod called {}", json_quote(name)));
        if (!host) continue;
        if (!underlay.nodes[*host].runs_node) {
            at.at("host").problem(fmt::format("{} does not run a node, so it cannot have pods",
                                              underlay.nodes[*host].name));
        }
        pods.push_back({name, *host});
    }
    std::ranges::sort(pods, {}, &PodSpec::name);
    return pods;
}

}  // namespace overlab
