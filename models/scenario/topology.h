// Topology draft: nodes and links as the file and its generators name them, before names become
// indexes.
#pragma once

#include <string>
#include <vector>

#include "models/scenario/json_cursor.h"
#include "models/scenario/problem_list.h"
#include "models/scenario/scenario.h"

namespace overlab {

inline constexpr std::size_t max_hosts = 10'000;

struct NodeDraft {
    UnderlayNode node;
    JsonCursor origin;  ///< where the file says so: a node, or the generator
};

struct LinkDraft {
    UnderlayLink link;  ///< `a` and `b` are not set yet
    std::string a, b;
    bool named = false;  ///< the name is the file's and not made of the ends
    JsonCursor origin;
};

struct Topology {
    std::vector<NodeDraft> nodes;
    std::vector<LinkDraft> links;
    UnderlayLink defaults;  ///< rate, delay, queue, loss and MTU of links that do not say

    void add_node(const std::string& name, UnderlayNode::Kind kind, const JsonCursor& origin);
    /// A link like `like`, called `a--b`.
    void add_link(const std::string& a, const std::string& b, const UnderlayLink& like,
                  const JsonCursor& origin);
};

/// Overrides those of rate, delay, queue, loss and mtu that `at` has.
[[nodiscard]] UnderlayLink read_link_settings(const JsonCursor& at, UnderlayLink settings);

/// `underlay`: link defaults, listed nodes and links, and what `generate` makes.
[[nodiscard]] Topology read_topology(const JsonCursor& underlay);

/// Adds what underlay.generate describes (generators.cc).
void generate_topology(const JsonCursor& generate, Topology& topology);

/// Adds the host `store` on a link to the first switch by name, or to the first router where there
/// is no switch. Reports at `store_at` if that cannot be.
void add_store_host(const JsonCursor& store_at, Topology& topology);

/// Names become indexes, nodes and links are sorted by name. Reports double names, dangling names
/// (with the nearest known), links from a node to itself, hosts without exactly one link.
[[nodiscard]] Underlay resolve_topology(const Topology& topology, const ProblemList& problems);

}  // namespace overlab
