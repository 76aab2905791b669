#include "models/scenario/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace overlab {
namespace {

using Kind = UnderlayNode::Kind;

constexpr QuantityRange queue_range{68, 16'000'000'000, "68B to 16GB"};
constexpr std::uint32_t most_loss_ppb = 999'999'999;

Kind kind_of(const std::optional<std::string>& word) {
    if (word == "switch") return Kind::switch_;
    return word == "router" ? Kind::router : Kind::host;
}

void read_node(const JsonCursor& at, Topology& topology) {
    UnderlayNode node;
    node.name = at.at("name").text().value_or("");
    if (!is_name(node.name)) {
        at.at("name").problem(
            "a node's name is a letter or digit, then letters, digits, '-', '_' or '.'");
        return;
    }
    node.kind = kind_of(at.at("kind").text());
    node.cores = static_cast<unsigned>(at.at("cores").integer().value_or(0));
    node.runs_node = at.at("runs_node").boolean().value_or(true);
    if (const auto written = at.at("address").text()) {
        const Result<Ipv4Address> address = Ipv4Address::parse(*written);
        if (address)
            node.address = *address;
        else
            at.at("address").problem(address.error().what);
    }
    for (const std::string_view key : {"address", "cores", "runs_node"}) {
        if (node.kind == Kind::host || !at.has(key)) continue;
        at.at(key).problem(fmt::format(R"(only a host has "{}", and {} is a {})", key, node.name,
                                       *at.at("kind").text()));
        node.address.reset();
    }
    topology.nodes.push_back({node, at});
}

void check_queue(const UnderlayLink& link, const JsonCursor& at) {
    if (link.queue_bytes >= link.mtu) return;
    at.at("queue").problem(
        fmt::format("a queue of {} bytes cannot hold one packet of {} bytes (the MTU); give "
                    "it at least that",
                    link.queue_bytes, link.mtu));
}

void read_link(const JsonCursor& at, Topology& topology) {
    const std::vector<JsonCursor> ends = at.at("ends").items();
    LinkDraft draft{read_link_settings(at, topology.defaults), *ends[0].text(), *ends[1].text(),
                    at.has("name"), at};
    // A link that only repeats bad defaults is no second mistake.
    if (at.has("queue") || at.has("mtu")) check_queue(draft.link, at);
    draft.link.name = at.at("name").text().value_or(draft.a + "--" + draft.b);
    topology.links.push_back(std::move(draft));
}

/// Sorted nodes; of two with one name the second is reported.
std::vector<UnderlayNode> sort_nodes(const Topology& topology) {
    std::vector<UnderlayNode> nodes;
    std::set<std::string_view> seen;
    for (const NodeDraft& draft : topology.nodes) {
        if (seen.insert(draft.node.name).second)
            nodes.push_back(draft.node);
        else
            draft.origin.problem(
                fmt::format("there is already a node called {}", json_quote(draft.node.name)));
    }
    std::ranges::sort(nodes, {}, &UnderlayNode::name);
    return nodes;
}

using NodeNames = std::vector<std::string_view>;  // sorted

std::optional<std::size_t> find_node(const NodeNames& names, const std::string& name,
                                     const JsonCursor& at) {
    const auto it = std::ranges::lower_bound(names, std::string_view(name));
    if (it != names.end() && *it == name) return static_cast<std::size_t>(it - names.begin());
    at.problem(
        fmt::format("there is no node called {}{}", json_quote(name), name_hint(name, names)));
    return std::nullopt;
}

JsonCursor end_origin(const LinkDraft& draft, std::size_t end) {
    const std::vector<JsonCursor> ends = draft.origin.at("ends").items();
    return end < ends.size() ? ends[end] : draft.origin;
}

/// Links whose ends exist, sorted by name; the others are reported.
std::vector<UnderlayLink> resolve_links(const Topology& topology, const NodeNames& names) {
    std::vector<UnderlayLink> links;
    std::set<std::string_view> link_names;
    std::set<std::pair<std::size_t, std::size_t>> unnamed;
    for (const LinkDraft& draft : topology.links) {
        const auto a = find_node(names, draft.a, end_origin(draft, 0));
        const auto b = find_node(names, draft.b, end_origin(draft, 1));
        if (!a || !b) continue;
        if (*a == *b) {
            draft.origin.at("ends").problem(fmt::format("{} is linked to itself", draft.a));
            continue;
        }
        const bool again = !draft.named && !unnamed.insert(std::minmax(*a, *b)).second;
        if (again || !link_names.insert(draft.link.name).second) {
            draft.origin.problem(
                fmt::format(R"(there is already a link {}; remove one, or give it a "name" of )"
                            "its own if parallel links are meant",
                            json_quote(draft.link.name)));
            continue;
        }
        UnderlayLink link = draft.link;
        link.a = *a;
        link.b = *b;
        links.push_back(std::move(link));
    }
    std::ranges::sort(links, {}, &UnderlayLink::name);
    return links;
}

void check_host_links(const Topology& topology) {
    std::map<std::string_view, std::size_t> count;
    for (const LinkDraft& draft : topology.links) {
        ++count[draft.a];
        ++count[draft.b];
    }
    for (const NodeDraft& draft : topology.nodes) {
        if (draft.node.kind != Kind::host || count[draft.node.name] == 1) continue;
        draft.origin.problem(
            fmt::format("host {} has {} links and needs exactly one; let a switch join links",
                        draft.node.name, count[draft.node.name]));
    }
}

}  // namespace

void Topology::add_node(const std::string& name, Kind kind, const JsonCursor& origin) {
    UnderlayNode node;
    node.name = name;
    node.kind = kind;
    nodes.push_back({std::move(node), origin});
}

void Topology::add_link(const std::string& a, const std::string& b, const UnderlayLink& like,
                        const JsonCursor& origin) {
    LinkDraft draft{like, a, b, false, origin};
    draft.link.name = a + "--" + b;
    links.push_back(std::move(draft));
}

UnderlayLink read_link_settings(const JsonCursor& at, UnderlayLink settings) {
    settings.rate_bps = at.at("rate").rate(link_rate_range).value_or(settings.rate_bps);
    settings.delay = at.at("delay").duration(link_delay_range).value_or(settings.delay);
    settings.queue_bytes = at.at("queue").size(queue_range).value_or(settings.queue_bytes);
    settings.mtu = static_cast<std::uint32_t>(at.at("mtu").integer().value_or(settings.mtu));
    if (const auto loss = at.at("loss").ratio_ppb()) {
        settings.loss_ppb = *loss;
        if (*loss > most_loss_ppb)
            at.at("loss").problem("a link that loses everything is a fault; use link_down");
    }
    return settings;
}

Topology read_topology(const JsonCursor& underlay) {
    Topology topology;
    const JsonCursor defaults = underlay.at("link_defaults");
    topology.defaults = read_link_settings(defaults, topology.defaults);
    check_queue(topology.defaults, defaults);
    for (const JsonCursor& node : underlay.at("nodes").items()) read_node(node, topology);
    for (const JsonCursor& link : underlay.at("links").items()) read_link(link, topology);
    if (underlay.has("generate")) generate_topology(underlay.at("generate"), topology);
    const auto hosts = std::ranges::count(topology.nodes, Kind::host,
                                          [](const NodeDraft& draft) { return draft.node.kind; });
    if (hosts == 0 && !underlay.has("generate"))
        underlay.problem(R"(there are no hosts; list some in "nodes" or use "generate")");
    if (static_cast<std::size_t>(hosts) > max_hosts)
        underlay.problem(
            fmt::format("{} hosts are too many; at most {} are supported", hosts, max_hosts));
    return topology;
}

void add_store_host(const JsonCursor& store_at, Topology& topology) {
    const NodeDraft* anchor = nullptr;
    for (const NodeDraft& draft : topology.nodes) {
        if (draft.node.name == "store") {
            store_at.problem(
                R"(the store cannot be placed by itself because a node is called "store" already; )"
                R"(write "store": {"at": "store"} if it is meant, or rename it)");
            return;
        }
        if (draft.node.kind == Kind::host) continue;
        const auto rank = [](const NodeDraft& d) {
            return std::pair(d.node.kind != Kind::switch_, std::string_view(d.node.name));
        };
        if (anchor == nullptr || rank(draft) < rank(*anchor)) anchor = &draft;
    }
    if (anchor == nullptr) {
        store_at.problem(
            "the store cannot be placed by itself because there is no switch or router to link it "
            R"(to; name a host in "store": {"at": ...})");
        return;
    }
    const std::string anchor_name = anchor->node.name;
    topology.add_node("store", Kind::host, store_at);
    topology.nodes.back().node.runs_node = false;
    topology.add_link("store", anchor_name, topology.defaults, store_at);
}

Underlay resolve_topology(const Topology& topology, const ProblemList& problems) {
    Underlay underlay;
    const std::size_t before = problems.size();
    underlay.nodes = sort_nodes(topology);
    if (problems.size() > before) return {};  // whatever else is wrong follows from that
    NodeNames names;
    for (const UnderlayNode& node : underlay.nodes) names.push_back(node.name);
    underlay.links = resolve_links(topology, names);
    if (problems.size() == before) check_host_links(topology);
    return underlay;
}

}  // namespace overlab
