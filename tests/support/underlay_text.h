// Underlays written as text, for tests of graphs: one link a line, `h1 -- s1`. A name's first
// letter is its kind: h host, s switch, r router.
#pragma once

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "models/base/check.h"
#include "models/scenario/scenario.h"

namespace overlab::test {

[[nodiscard]] inline std::size_t node_index(const Underlay& underlay, const std::string& name) {
    const auto it = std::ranges::find(underlay.nodes, name, &UnderlayNode::name);
    CHECK(it != underlay.nodes.end());
    return static_cast<std::size_t>(it - underlay.nodes.begin());
}

[[nodiscard]] inline std::size_t link_index(const Underlay& underlay, const std::string& name) {
    const auto it = std::ranges::find(underlay.links, name, &UnderlayLink::name);
    CHECK(it != underlay.links.end());
    return static_cast<std::size_t>(it - underlay.links.begin());
}

/// Sorted as a parsed scenario is. The address pool is 192.0.2.0/24 unless said otherwise.
[[nodiscard]] inline Underlay underlay_of(const std::string& links,
                                          const std::string& pool = "192.0.2.0/24") {
    Underlay underlay;
    underlay.address_pool = *Ipv4Prefix::parse(pool);
    std::istringstream lines(links);
    std::string a, dashes, b;
    std::vector<std::array<std::string, 2>> ends;
    std::vector<std::string> names;
    while (lines >> a >> dashes >> b) {
        ends.push_back({a, b});
        names.insert(names.end(), {a, b});
    }
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
        UnderlayNode node;
        node.name = name;
        node.kind = name[0] == 'h'   ? UnderlayNode::Kind::host
                    : name[0] == 'r' ? UnderlayNode::Kind::router
                                     : UnderlayNode::Kind::switch_;
        underlay.nodes.push_back(node);
    }
    for (const auto& [from, to] : ends) {
        UnderlayLink link;
        link.name = from + "--" + to;
        link.a = node_index(underlay, from);
        link.b = node_index(underlay, to);
        underlay.links.push_back(link);
    }
    std::ranges::sort(underlay.links, {}, &UnderlayLink::name);
    return underlay;
}

}  // namespace overlab::test
