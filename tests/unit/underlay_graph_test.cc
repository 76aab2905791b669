// Segments, addresses and paths of small underlays, drawn as links.
#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/underlay/graph.h"
#include "tests/support/underlay_text.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

using test::link_index;
using test::node_index;
using test::underlay_of;

UnderlayGraph build(const Underlay& underlay, const std::vector<LinkId>& down = {}) {
    const Result<UnderlayGraph> graph = UnderlayGraph::build(underlay, down);
    INFO((graph ? std::string() : graph.error().what));
    REQUIRE(graph.has_value());
    return *graph;
}

/// `prefix: node address, ...` a line, interfaces in (node, link) order.
std::string segments_text(const Underlay& underlay, const UnderlayGraph& graph) {
    std::vector<std::string> lines;
    for (const Segment& segment : graph.segments())
        lines.push_back(segment.prefix.to_string() + ":");
    for (const Interface& i : graph.interfaces())
        lines[i.segment] +=
            fmt::format(" {}={}", underlay.nodes[i.node].name, i.address.to_string());
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

std::string names(const Underlay& underlay, const std::vector<LinkId>& links) {
    std::string text;
    for (const LinkId link : links) text += underlay.links[link].name + " ";
    return text;
}

std::string path_text(const Underlay& underlay, const UnderlayGraph& graph, const std::string& from,
                      const std::string& to, std::uint64_t flow_hash = 0) {
    const auto path = graph.path(node_index(underlay, from), node_index(underlay, to), flow_hash);
    if (!path) return "none";
    std::string text;
    for (const NodeIndex node : *path)
        text += (text.empty() ? "" : " ") + underlay.nodes[node].name;
    return text;
}

//   h1 \            / h3
//       s1 -- r1 -- s2
//   h2 /            \ h4
const std::string two_segments = "h1 -- s1  h2 -- s1  s1 -- r1  r1 -- s2  h3 -- s2  h4 -- s2";

//   s1 and s2 are leaves, s3 and s4 spines.
const std::string fabric =
    "h1 -- s1  h2 -- s1  h3 -- s2  h4 -- s2  s1 -- s3  s1 -- s4  s2 -- s3  s2 -- s4";

TEST_CASE("a router separates segments; routers get the first addresses, hosts follow by name") {
    const Underlay underlay = underlay_of(two_segments, "192.0.2.0/23");
    const UnderlayGraph graph = build(underlay);

    CHECK(segments_text(underlay, graph) ==
          "192.0.2.0/24: h1=192.0.2.2 h2=192.0.2.3 r1=192.0.2.1\n"
          "192.0.3.0/24: h3=192.0.3.2 h4=192.0.3.3 r1=192.0.3.1\n");
    CHECK(graph.gateway_of(node_index(underlay, "h1"))->to_string() == "192.0.2.1");
}

TEST_CASE("addresses given in the file are kept and skipped by the others") {
    Underlay underlay = underlay_of(two_segments, "192.0.2.0/24");
    underlay.nodes[node_index(underlay, "h1")].address = Ipv4Address::parse("198.51.100.1").value();
    underlay.nodes[node_index(underlay, "h4")].address = Ipv4Address::parse("192.0.2.77").value();
    const UnderlayGraph graph = build(underlay);

    CHECK(segments_text(underlay, graph) ==
          "198.51.100.0/24: h1=198.51.100.1 h2=198.51.100.3 r1=198.51.100.2\n"
          "192.0.2.0/24: h3=192.0.2.2 h4=192.0.2.77 r1=192.0.2.1\n");
}

TEST_CASE(
    "a pool too small for a /24 each is shared evenly; one too small for its members is an error") {
    const Underlay fits = underlay_of(two_segments, "192.0.2.0/28");
    CHECK(segments_text(fits, build(fits)) ==
          "192.0.2.0/29: h1=192.0.2.2 h2=192.0.2.3 r1=192.0.2.1\n"
          "192.0.2.8/29: h3=192.0.2.10 h4=192.0.2.11 r1=192.0.2.9\n");

    const auto too_small = UnderlayGraph::build(underlay_of(two_segments, "192.0.2.0/29"));
    REQUIRE_FALSE(too_small.has_value());
    CHECK_THAT(too_small.error().what,
               Catch::StartsWith("address pool 192.0.2.0/29: too small for 2 segment"));
}

TEST_CASE("a segment of more than 253 members gets the next power of two") {
    std::string links;
    for (int i = 1; i <= 300; ++i) links += fmt::format("h{:03} -- s1  ", i);
    const UnderlayGraph graph = build(underlay_of(links, "10.0.0.0/16"));

    CHECK(graph.segments()[0].prefix.to_string() == "10.0.0.0/23");
    CHECK(graph.interfaces()[299].address.to_string() == "10.0.1.44");
}

TEST_CASE("MAC addresses are locally administered, unicast and unique") {
    const UnderlayGraph graph = build(underlay_of(two_segments, "192.0.2.0/23"));

    std::set<std::uint64_t> seen;
    for (const Interface& interface : graph.interfaces()) {
        CHECK((interface.mac.bits >> 40) == 0x02);
        CHECK(seen.insert(interface.mac.bits).second);
    }
    CHECK(graph.interfaces()[0].mac.to_string() == "02:00:00:00:00:00");
}

TEST_CASE("switches know all shortest ways, in the order of the peer's name") {
    const Underlay underlay = underlay_of(fabric);
    const UnderlayGraph graph = build(underlay);
    const auto next = [&](const std::string& at, const std::string& to) {
        return names(underlay,
                     graph.next_links(node_index(underlay, at), node_index(underlay, to)));
    };

    CHECK(next("s1", "h2") == "h2--s1 ");
    CHECK(next("s1", "h3") == "s1--s3 s1--s4 ");
    CHECK(next("s3", "h3") == "s2--s3 ");
    CHECK(next("s2", "h4") == "h4--s2 ");
}

TEST_CASE("broadcast floods a tree that reaches everybody once") {
    const Underlay underlay = underlay_of(fabric);
    const UnderlayGraph graph = build(underlay);
    const auto flood = [&](const std::string& at) {
        return names(underlay, graph.flood_links(node_index(underlay, at)));
    };

    CHECK(flood("s1") == "h1--s1 h2--s1 s1--s3 s1--s4 ");
    CHECK(flood("s3") == "s1--s3 s2--s3 ");
    CHECK(flood("s2") == "h3--s2 h4--s2 s2--s3 ");
    CHECK(flood("s4") == "s1--s4 ");
}

TEST_CASE("routers know equal-cost next hops by name, and on-link segments") {
    //  h1 - s1 - r1 == r2, r3 == r4 - s2 - h2
    const Underlay underlay = underlay_of(
        "h1 -- s1  s1 -- r1  r1 -- r2  r1 -- r3  r2 -- r4  r3 -- r4  r4 -- s2  s2 -- h2",
        "192.0.2.0/24");
    const UnderlayGraph graph = build(underlay);
    const SegmentId far = graph.host_interface(node_index(underlay, "h2")).segment;
    const auto hops = graph.routes(node_index(underlay, "r1"), far);

    REQUIRE(hops.size() == 2);
    CHECK(underlay.links[hops[0].link].name == "r1--r2");
    CHECK(underlay.links[hops[1].link].name == "r1--r3");
    const Interface* r2 = graph.interface_of(node_index(underlay, "r2"), hops[0].link);
    CHECK(hops[0].gateway == r2->address);
    const auto last = graph.routes(node_index(underlay, "r4"), far);
    REQUIRE(last.size() == 1);
    CHECK(last[0].gateway.is_unspecified());
    CHECK(graph.routes(node_index(underlay, "s1"), far).empty());
}

TEST_CASE("paths follow what switches and routers would do") {
    const Underlay routed = underlay_of(two_segments, "192.0.2.0/23");
    CHECK(path_text(routed, build(routed), "h1", "h4") == "h1 s1 r1 s2 h4");
    CHECK(path_text(routed, build(routed), "h1", "h2") == "h1 s1 h2");
    CHECK(path_text(routed, build(routed), "h1", "h1") == "h1");

    const Underlay switched = underlay_of(fabric);
    const UnderlayGraph graph = build(switched);
    std::map<std::string, int> taken;
    for (std::uint64_t flow = 0; flow < 1000; ++flow)
        ++taken[path_text(switched, graph, "h1", "h3", flow)];
    CHECK(taken.size() == 2);
    CHECK(taken["h1 s1 s3 s2 h3"] > 400);
    CHECK(taken["h1 s1 s4 s2 h3"] > 400);
}

TEST_CASE("paths avoid links that are down, and addresses do not change") {
    const Underlay underlay = underlay_of(fabric);
    const UnderlayGraph whole = build(underlay);
    const UnderlayGraph cut = build(underlay, {link_index(underlay, "s1--s3")});

    for (std::uint64_t flow = 0; flow < 20; ++flow)
        CHECK(path_text(underlay, cut, "h1", "h3", flow) == "h1 s1 s4 s2 h3");
    CHECK(segments_text(underlay, cut) == segments_text(underlay, whole));
    CHECK(names(underlay, cut.flood_links(node_index(underlay, "s4"))) == "s1--s4 s2--s4 ");
}

TEST_CASE("cut-off nodes are unreachable, and said to be") {
    const Underlay underlay = underlay_of(two_segments, "192.0.2.0/23");
    const UnderlayGraph cut =
        build(underlay, {link_index(underlay, "r1--s2"), link_index(underlay, "h2--s1")});
    const auto node = [&](const char* name) { return node_index(underlay, name); };

    CHECK_FALSE(cut.connected(node("h1"), node("h3")));
    CHECK_FALSE(cut.connected(node("h1"), node("h2")));
    CHECK(cut.connected(node("h3"), node("h4")));
    CHECK(path_text(underlay, cut, "h1", "h3") == "none");
    CHECK(path_text(underlay, cut, "h1", "h2") == "none");
    CHECK(cut.next_links(node("s1"), node("h2")).empty());
    CHECK(cut.routes(node("r1"), cut.host_interface(node("h3")).segment).empty());
}

TEST_CASE("a host without a router on its segment has no gateway and reaches nobody outside") {
    const Underlay underlay = underlay_of("h1 -- s1  h2 -- s2  s2 -- r1", "192.0.2.0/23");
    const UnderlayGraph graph = build(underlay);

    CHECK_FALSE(graph.gateway_of(node_index(underlay, "h1")).has_value());
    CHECK(path_text(underlay, graph, "h1", "h2") == "none");
}

TEST_CASE("a host has exactly one link") {
    const auto graph = UnderlayGraph::build(underlay_of("h1 -- s1  h1 -- s2  s1 -- s2"));

    REQUIRE_FALSE(graph.has_value());
    CHECK(graph.error().what == "host h1: has 2 links, needs exactly one");
}

TEST_CASE("equal-cost choices spread evenly and differ between nodes") {
    std::vector<int> count(3, 0);
    int same = 0;
    for (std::uint64_t flow = 0; flow < 3000; ++flow) {
        ++count[ecmp_choice(flow, 17, 3)];
        if (ecmp_choice(flow, 17, 3) == ecmp_choice(flow, 18, 3)) ++same;
    }
    for (const int n : count) CHECK((n > 900 && n < 1100));
    CHECK((same > 900 && same < 1100));
}

}  // namespace
}  // namespace overlab
