#include "real/lab/port_names.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <map>
#include <utility>

namespace overlab::real {
namespace {

/// `all` and `default` are folders beside the interfaces' in /proc/sys/net/ipv4/conf.
constexpr std::array<std::string_view, 3> reserved{"all", "default", "lo"};

bool is_usable(const std::string& name) {
    return name.size() < IFNAMSIZ && std::ranges::find(reserved, name) == reserved.end();
}

}  // namespace

std::vector<std::array<std::string, 2>> port_names(const Underlay& underlay) {
    std::map<std::pair<std::size_t, std::size_t>, int> links_between;
    for (const UnderlayLink& link : underlay.links) ++links_between[std::minmax(link.a, link.b)];

    std::vector<std::array<std::string, 2>> names;
    for (std::size_t id = 0; id < underlay.links.size(); ++id) {
        const UnderlayLink& link = underlay.links[id];
        const bool only_one = links_between[std::minmax(link.a, link.b)] == 1;
        const auto name_at = [&](std::size_t node, std::size_t peer) -> std::string {
            if (underlay.nodes[node].kind == UnderlayNode::Kind::host)
                return std::string(host_port);
            const std::string& wanted = underlay.nodes[peer].name;
            return only_one && is_usable(wanted) ? wanted : fmt::format("link+{}", id);
        };
        names.push_back({name_at(link.a, link.b), name_at(link.b, link.a)});
    }
    return names;
}

}  // namespace overlab::real
