// Random underlays against a plain breadth-first search: whatever the topology and whichever links
// fail, forwarding goes along shortest ways and gets there exactly when there is a way.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/underlay/graph.h"
#include "tests/support/underlay_text.h"

#include "tests/support/property.h"

namespace overlab {
namespace {

constexpr std::size_t unreachable = std::numeric_limits<std::size_t>::max();

/// `switches` joined at random (with parallel ways and loops), `hosts` hung on them; with `routed`,
/// every third of the joints is a router.
Underlay random_underlay(Rng& rng, bool routed) {
    const std::uint64_t joints = 1 + rng.below(8), hosts = 1 + rng.below(8);
    const auto joint = [&](std::uint64_t i) {
        return fmt::format("{}{}", routed && i % 3 == 2 ? 'r' : 's', i);
    };
    std::string links;
    std::set<std::pair<std::uint64_t, std::uint64_t>> joined;
    for (std::uint64_t i = 1; i < joints; ++i) joined.insert({rng.below(i), i});
    for (std::uint64_t extra = rng.below(6); extra > 0 && joints > 1; --extra) {
        const std::uint64_t a = rng.below(joints), b = rng.below(joints);
        if (a != b) joined.insert(std::minmax(a, b));
    }
    for (const auto& [a, b] : joined) links += fmt::format("{} -- {}\n", joint(a), joint(b));
    for (std::uint64_t i = 0; i < hosts; ++i)
        links += fmt::format("h{} -- s{}\n", i, rng.below(joints) / 3 * 3);
    return test::underlay_of(links, "10.0.0.0/16");
}

std::vector<LinkId> random_failures(Rng& rng, const Underlay& underlay) {
    std::vector<LinkId> down;
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        if (rng.chance(1, 6)) down.push_back(link);
    }
    return down;
}

std::vector<std::size_t> hops_from(const Underlay& underlay, const std::vector<LinkId>& down,
                                   NodeIndex from) {
    std::vector<std::size_t> hops(underlay.nodes.size(), unreachable);
    std::deque<NodeIndex> queue{from};
    hops[from] = 0;
    while (!queue.empty()) {
        const NodeIndex at = queue.front();
        queue.pop_front();
        for (LinkId link = 0; link < underlay.links.size(); ++link) {
            if (std::ranges::find(down, link) != down.end()) continue;
            const UnderlayLink& l = underlay.links[link];
            if (l.a != at && l.b != at) continue;
            const NodeIndex peer = l.a == at ? l.b : l.a;
            if (hops[peer] != unreachable) continue;
            hops[peer] = hops[at] + 1;
            queue.push_back(peer);
        }
    }
    return hops;
}

bool adjacent(const Underlay& underlay, const std::vector<LinkId>& down, NodeIndex a, NodeIndex b) {
    for (LinkId link = 0; link < underlay.links.size(); ++link) {
        const UnderlayLink& l = underlay.links[link];
        const bool joins = (l.a == a && l.b == b) || (l.a == b && l.b == a);
        if (joins && std::ranges::find(down, link) == down.end()) return true;
    }
    return false;
}

std::vector<NodeIndex> of_kind(const Underlay& underlay, UnderlayNode::Kind kind) {
    std::vector<NodeIndex> nodes;
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        if (underlay.nodes[node].kind == kind) nodes.push_back(node);
    }
    return nodes;
}

TEST_CASE("switched underlays: paths exist exactly when cables do, and are shortest") {
    test::holds([](std::uint64_t seed) {
        Rng rng = Rng::stream(seed, "switched");
        const Underlay underlay = random_underlay(rng, false);
        const std::vector<LinkId> down = random_failures(rng, underlay);
        const UnderlayGraph graph = UnderlayGraph::build(underlay, down).value();
        for (const NodeIndex a : of_kind(underlay, UnderlayNode::Kind::host)) {
            const std::vector<std::size_t> hops = hops_from(underlay, down, a);
            for (const NodeIndex b : of_kind(underlay, UnderlayNode::Kind::host)) {
                const auto path = graph.path(a, b, rng.next());
                RC_ASSERT(graph.connected(a, b) == (hops[b] != unreachable));
                RC_ASSERT(path.has_value() == (hops[b] != unreachable));
                if (!path) continue;
                RC_ASSERT(path->size() == hops[b] + 1);
                for (std::size_t i = 1; i < path->size(); ++i)
                    RC_ASSERT(adjacent(underlay, down, (*path)[i - 1], (*path)[i]));
            }
        }
    });
}

TEST_CASE("routed underlays without failures: every pair with a gateway has a path along cables") {
    test::holds([](std::uint64_t seed) {
        Rng rng = Rng::stream(seed, "routed");
        const Underlay underlay = random_underlay(rng, true);
        const UnderlayGraph graph = UnderlayGraph::build(underlay).value();
        for (const NodeIndex a : of_kind(underlay, UnderlayNode::Kind::host)) {
            for (const NodeIndex b : of_kind(underlay, UnderlayNode::Kind::host)) {
                const auto path = graph.path(a, b, rng.next());
                RC_ASSERT(path.has_value());
                RC_ASSERT(path->front() == a);
                RC_ASSERT(path->back() == b);
                for (std::size_t i = 1; i < path->size(); ++i)
                    RC_ASSERT(adjacent(underlay, {}, (*path)[i - 1], (*path)[i]));
                std::set<NodeIndex> routers;
                for (const NodeIndex node : *path) {
                    if (underlay.nodes[node].kind == UnderlayNode::Kind::router)
                        RC_ASSERT(routers.insert(node).second);
                }
            }
        }
    });
}

TEST_CASE("a flooded frame reaches every up port of its segment exactly once") {
    test::holds([](std::uint64_t seed) {
        Rng rng = Rng::stream(seed, "flood");
        const Underlay underlay = random_underlay(rng, false);
        const std::vector<LinkId> down = random_failures(rng, underlay);
        const UnderlayGraph graph = UnderlayGraph::build(underlay, down).value();
        for (const NodeIndex from : of_kind(underlay, UnderlayNode::Kind::host)) {
            const LinkId first = graph.host_interface(from).link;
            if (std::ranges::find(down, first) != down.end()) continue;
            std::vector<int> arrivals(underlay.nodes.size(), 0);
            std::deque<std::pair<NodeIndex, LinkId>> frames{{graph.ports(from)[0].peer, first}};
            while (!frames.empty()) {
                const auto [at, in] = frames.front();
                frames.pop_front();
                RC_ASSERT(++arrivals[at] == 1);
                if (underlay.nodes[at].kind != UnderlayNode::Kind::switch_) continue;
                for (const LinkId out : graph.flood_links(at)) {
                    const UnderlayLink& link = underlay.links[out];
                    if (out != in) frames.emplace_back(link.a == at ? link.b : link.a, out);
                }
            }
            const std::vector<std::size_t> hops = hops_from(underlay, down, from);
            for (NodeIndex node = 0; node < hops.size(); ++node) {
                if (node != from) RC_ASSERT((arrivals[node] == 1) == (hops[node] != unreachable));
            }
        }
    });
}

TEST_CASE("addresses are unique, inside their segment's prefix, and prefixes do not overlap") {
    test::holds([](std::uint64_t seed) {
        Rng rng = Rng::stream(seed, "addresses");
        const Underlay underlay = random_underlay(rng, rng.chance(1, 2));
        const UnderlayGraph graph = UnderlayGraph::build(underlay).value();
        std::set<Ipv4Address> addresses;
        for (const Interface& interface : graph.interfaces()) {
            const Ipv4Prefix prefix = graph.segments()[interface.segment].prefix;
            RC_ASSERT(prefix.contains(interface.address));
            RC_ASSERT(interface.address != prefix.network);
            RC_ASSERT(interface.address != prefix.at(prefix.size() - 1));
            RC_ASSERT(addresses.insert(interface.address).second);
        }
        for (SegmentId a = 0; a < graph.segments().size(); ++a) {
            for (SegmentId b = 0; b < a; ++b)
                RC_ASSERT(!graph.segments()[a].prefix.overlaps(graph.segments()[b].prefix));
        }
    });
}

TEST_CASE("5,000 hosts on 125 racks: every rack's switch finds hosts of every other") {
    std::string links;
    for (int rack = 0; rack < 125; ++rack) {
        for (int spine = 0; spine < 8; ++spine)
            links += fmt::format("s-l{:03} -- s-s{}\n", rack, spine);
        for (int host = 0; host < 40; ++host)
            links += fmt::format("h{:04} -- s-l{:03}\n", rack * 40 + host, rack);
    }
    const Underlay underlay = test::underlay_of(links, "10.0.0.0/8");
    const UnderlayGraph graph = UnderlayGraph::build(underlay).value();
    const NodeIndex first_leaf = test::node_index(underlay, "s-l000");

    REQUIRE(graph.segments()[0].prefix.to_string() == "10.0.0.0/19");
    for (NodeIndex host = 40; host < 5000; ++host)
        REQUIRE(graph.next_links(first_leaf, host).size() == 8);
}

}  // namespace
}  // namespace overlab
