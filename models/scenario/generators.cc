// Topologies by formula. Numbers in names are padded with zeros, so that the order of names is the
// order of numbers: h01, h02, ... h16.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/scenario/topology.h"

namespace overlab {
namespace {

using Kind = UnderlayNode::Kind;

/// `prefix1`, ... or `prefix01`, ... according to how many there are. number counts from 1.
std::string numbered(std::string_view prefix, std::size_t number, std::size_t count) {
    return fmt::format("{}{:0{}}", prefix, number, fmt::formatted_size("{}", count));
}

std::size_t count_of(const JsonCursor& at, std::string_view key) {
    return static_cast<std::size_t>(at.at(key).integer().value_or(1));
}

/// How many hosts a generator makes: `groups` times `per_group`.
struct HostGroups {
    std::size_t groups = 0, per_group = 0;

    [[nodiscard]] std::size_t total() const { return groups * per_group; }
    /// Reports at `at` and is false if that is more than can be.
    [[nodiscard]] bool allowed(const JsonCursor& at) const {
        if (total() <= max_hosts) return true;
        at.problem(
            fmt::format("this makes {} hosts; at most {} are supported", total(), max_hosts));
        return false;
    }
};

/// Hosts of one group (from 0) on `attachment`.
void add_hosts(const HostGroups& hosts, std::size_t group, const std::string& attachment,
               const UnderlayLink& like, const JsonCursor& origin, Topology& topology) {
    for (std::size_t i = 1; i <= hosts.per_group; ++i) {
        const std::string name = numbered("h", group * hosts.per_group + i, hosts.total());
        topology.add_node(name, Kind::host, origin);
        topology.add_link(name, attachment, like, origin);
    }
}

//   layer 2:  spine-1 ... spine-m       layer 3:  spine-1 ... spine-m     routers
//                 \  X  /                              \  X  /
//             leaf-1 ... leaf-n                    leaf-1 ... leaf-n      routers
//              |  |      |  |                        |          |         inside one box: short and
//              not h1 h2     .. ..                     rack-1 ... rack-n      oversubscribed
//                                                   |  |       |  |
//                                                   h1 h2      .. ..
void leaf_spine(const JsonCursor& at, Topology& topology) {
    const HostGroups hosts{count_of(at, "leaves"), count_of(at, "hosts_per_leaf")};
    const std::size_t spines = count_of(at, "spines");
    if (!hosts.allowed(at)) return;
    const bool routed = at.at("layer").integer().value_or(3) == 3;
    const Kind kind = routed ? Kind::router : Kind::switch_;
    UnderlayLink access = topology.defaults, uplink = topology.defaults, inside = topology.defaults;
    access.rate_bps = at.at("rate").rate(link_rate_range).value_or(access.rate_bps);
    uplink.rate_bps = at.at("uplink_rate").rate(link_rate_range).value_or(40'000'000'000);
    inside.rate_bps =
        std::min<std::uint64_t>(access.rate_bps * hosts.per_group, link_rate_range.max);
    inside.delay = microseconds(1);

    for (std::size_t i = 1; i <= spines; ++i)
        topology.add_node(numbered("spine-", i, spines), kind, at);
    for (std::size_t i = 1; i <= hosts.groups; ++i) {
        const std::string leaf = numbered("leaf-", i, hosts.groups);
        topology.add_node(leaf, kind, at);
        for (std::size_t s = 1; s <= spines; ++s)
            topology.add_link(leaf, numbered("spine-", s, spines), uplink, at);
        std::string attachment = leaf;
        if (routed) {
            attachment = numbered("rack-", i, hosts.groups);
            topology.add_node(attachment, Kind::switch_, at);
            topology.add_link(attachment, leaf, inside, at);
        }
        add_hosts(hosts, i - 1, attachment, access, at, topology);
    }
}

void star(const JsonCursor& at, Topology& topology) {
    const HostGroups hosts{1, count_of(at, "hosts")};
    topology.add_node("hub", Kind::switch_, at);
    add_hosts(hosts, 0, "hub", topology.defaults, at, topology);
}

void ring(const JsonCursor& at, Topology& topology) {
    const HostGroups hosts{count_of(at, "switches"), count_of(at, "hosts_per_switch")};
    if (!hosts.allowed(at)) return;
    for (std::size_t i = 1; i <= hosts.groups; ++i) {
        const std::string name = numbered("ring-", i, hosts.groups);
        topology.add_node(name, Kind::switch_, at);
        topology.add_link(name, numbered("ring-", i % hosts.groups + 1, hosts.groups),
                          topology.defaults, at);
        add_hosts(hosts, i - 1, name, topology.defaults, at, topology);
    }
}

//   h1 h2 - site-1 - edge-1 ===== edge-2 - site-2 - h3 h4      === long links, a full mesh of edges
void wan(const JsonCursor& at, Topology& topology) {
    const HostGroups hosts{count_of(at, "sites"), count_of(at, "hosts_per_site")};
    if (!hosts.allowed(at)) return;
    UnderlayLink usual = topology.defaults;
    usual.rate_bps = 1'000'000'000;
    usual.delay = milliseconds(10);
    usual.queue_bytes = 4'000'000;
    usual.loss_ppb = 0;
    const UnderlayLink far = read_link_settings(at, usual);
    if (far.queue_bytes < far.mtu)
        at.at("queue").problem("the queue cannot hold one packet of the link's MTU");
    for (std::size_t i = 1; i <= hosts.groups; ++i) {
        const std::string site = numbered("site-", i, hosts.groups);
        const std::string edge = numbered("edge-", i, hosts.groups);
        topology.add_node(site, Kind::switch_, at);
        topology.add_node(edge, Kind::router, at);
        topology.add_link(site, edge, topology.defaults, at);
        for (std::size_t other = 1; other < i; ++other)
            topology.add_link(numbered("edge-", other, hosts.groups), edge, far, at);
        add_hosts(hosts, i - 1, site, topology.defaults, at, topology);
    }
}

}  // namespace

void generate_topology(const JsonCursor& generate, Topology& topology) {
    if (generate.has("leaf_spine")) leaf_spine(generate.at("leaf_spine"), topology);
    if (generate.has("star")) star(generate.at("star"), topology);
    if (generate.has("ring")) ring(generate.at("ring"), topology);
    if (generate.has("wan")) wan(generate.at("wan"), topology);
}

}  // namespace overlab
