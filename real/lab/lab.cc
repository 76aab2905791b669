#include "real/lab/lab.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "models/base/check.h"
#include "models/base/rng.h"
#include "real/lab/captures.h"
#include "real/lab/ethtool.h"
#include "real/lab/host_pods.h"
#include "real/lab/lab_nodes.h"
#include "real/lab/link_shape.h"
#include "real/lab/port_names.h"
#include "real/lab/traffic_control.h"
#include "real/netlink/links.h"

namespace overlab::real {
namespace {

/// Descriptors beside those of namespaces: sockets of a build, files, what the program itself has.
constexpr std::size_t other_descriptors = 200;

/// Every namespace is held by a descriptor.
Result<void> raise_descriptor_limit(std::size_t namespaces) {
    const rlim_t needed = namespaces + other_descriptors;
    rlimit limit{};
    CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= needed) return {};
    if (limit.rlim_max < needed) {
        return fail(ErrorKind::unavailable,
                    fmt::format("{} namespaces need {} open files, but {} are allowed; raise the "
                                "limit (ulimit -Hn), or use --world sim",
                                namespaces, needed, limit.rlim_max));
    }
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(needed, 4096));
    CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return {};
}

/// Of the timers that queues use.
Duration timer_resolution() {
    timespec resolution{};
    CHECK(::clock_getres(CLOCK_MONOTONIC, &resolution) == 0);
    return seconds(resolution.tv_sec) + nanoseconds(resolution.tv_nsec);
}

Result<void> named(const std::string& object, Result<void> outcome) {
    if (!outcome) outcome.error().what = fmt::format("{}: {}", object, outcome.error().what);
    return outcome;
}

const char* kind_name(UnderlayNode::Kind kind) {
    switch (kind) {
        case UnderlayNode::Kind::host:
            return "host";
        case UnderlayNode::Kind::switch_:
            return "switch";
        case UnderlayNode::Kind::router:
            return "router";
    }
    return "node";
}

class KernelLab final : public Lab {
   public:
    KernelLab(LabPlan plan, const LabOptions& options)
        : plan_(std::move(plan)),
          options_(options),
          limits_{.shape_below_bps = options.shape_below_bps,
                  .timer_resolution = timer_resolution(),
                  .exact = options.virtual_time},
          link_up_(plan_.scenario->underlay.links.size(), true),
          changes_(link_up_.size()),
          drops_before_(2 * link_up_.size()) {}

    [[nodiscard]] Result<void> make();

    [[nodiscard]] const UnderlayGraph& graph() const override { return plan_.graph; }
    [[nodiscard]] const Netns& node(NodeIndex node) const override { return nodes_.at(node); }
    [[nodiscard]] const Netns& pod(std::size_t pod) const override { return pods_.at(pod); }
    [[nodiscard]] HostFacts facts(NodeIndex host) const override;
    [[nodiscard]] Result<void> set_up_pods(NodeIndex host, Ipv4Prefix subnet,
                                           std::uint32_t overlay_mtu) override;
    [[nodiscard]] Ipv4Address pod_address(std::size_t pod) const override;
    [[nodiscard]] Result<void> set_link_up(LinkId link, bool up) override;
    [[nodiscard]] Result<void> change_link(LinkId link, const LinkChange& change) override;
    [[nodiscard]] Result<void> cut_pods(NodeIndex host) override;
    [[nodiscard]] Result<void> set_address(NodeIndex host, Ipv4Address address) override;
    [[nodiscard]] Result<void> start_captures(const std::filesystem::path& folder,
                                              std::int64_t epoch_ns) override;
    [[nodiscard]] Result<void> stop_captures() override;
    [[nodiscard]] Result<std::vector<LinkReport>> link_reports() override;
    [[nodiscard]] const std::vector<std::string>& warnings() const override { return warnings_; }

   private:
    /// One end of a link: where packets leave by it.
    struct End {
        NodeIndex node = 0;
        std::string port;
    };
    [[nodiscard]] const Underlay& underlay() const { return plan_.scenario->underlay; }
    [[nodiscard]] bool is_host(NodeIndex node) const {
        return underlay().nodes[node].kind == UnderlayNode::Kind::host;
    }
    [[nodiscard]] End end_of(LinkId link, bool a) const {
        const UnderlayLink& spec = underlay().links[link];
        return {a ? spec.a : spec.b, plan_.port_names[link][a ? 0 : 1]};
    }

    [[nodiscard]] Result<void> make_namespaces();
    [[nodiscard]] Result<void> make_link(LinkId link, std::vector<Links>& sockets);
    [[nodiscard]] Result<void> set_up_node(NodeIndex node, Links& links);
    [[nodiscard]] Result<void> shape_end(LinkId link, bool a, Links& links);
    [[nodiscard]] Result<void> keep_drops(LinkId link, bool a, std::uint32_t index, Links& links);
    void collect_warnings();

    LabPlan plan_;
    LabOptions options_;
    ShapeLimits limits_;
    std::vector<Netns> nodes_, pods_;
    std::map<NodeIndex, HostPods> host_pods_;
    std::vector<std::size_t> place_on_host_;  ///< by pod
    std::vector<bool> link_up_;
    std::vector<LinkChange> changes_;                 ///< by link
    std::map<NodeIndex, Ipv4Address> new_addresses_;  ///< of hosts that were given another one
    std::vector<QueueDrops> drops_before_;  ///< by link end: of queues that a cut has replaced
    std::unique_ptr<Captures> captures_;
    std::vector<std::string> warnings_;
};

// ---- build ----

Result<void> KernelLab::make() {
    if (Result<void> made = make_namespaces(); !made) return made;
    std::vector<Links> sockets;
    for (const Netns& netns : nodes_) {
        OVERLAB_TRY(Links links, Links::open(netns));
        if (Result<void> set = set_defaults(links, true); !set) return set;
        sockets.push_back(std::move(links));
    }
    for (LinkId link = 0; link < underlay().links.size(); ++link) {
        const Result<void> made = make_link(link, sockets);
        if (!made) return named(fmt::format("link {}", underlay().links[link].name), made);
    }
    for (NodeIndex node = 0; node < nodes_.size(); ++node) {
        const UnderlayNode& spec = underlay().nodes[node];
        const Result<void> done = set_up_node(node, sockets[node]);
        if (!done) return named(fmt::format("{} {}", kind_name(spec.kind), spec.name), done);
    }
    for (LinkId link = 0; link < underlay().links.size(); ++link) {
        for (const bool a : {true, false}) {
            const End end = end_of(link, a);
            if (const Result<void> settled = settle_line(nodes_[end.node], end.port); !settled)
                return named(fmt::format("link {}", underlay().links[link].name), settled);
        }
    }
    collect_warnings();
    return {};
}

Result<void> KernelLab::make_namespaces() {
    const std::vector<PodSpec>& pods = plan_.scenario->pods;
    // A build has a socket for every node besides.
    const std::size_t count = 2 * underlay().nodes.size() + pods.size();
    if (Result<void> raised = raise_descriptor_limit(count); !raised) return raised;
    // A kernel with IPv6 as a module loads it when somebody first asks, and namespaces made before
    // that would then have it switched on.
    (void)Fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (NodeIndex node = 0; node < underlay().nodes.size(); ++node) {
        OVERLAB_TRY(Netns netns, Netns::create());
        nodes_.push_back(std::move(netns));
    }
    for (std::size_t i = 0; i < pods.size(); ++i) {
        OVERLAB_TRY(Netns netns, Netns::create());
        OVERLAB_TRY(Links links, Links::open(netns));
        if (Result<void> set = set_defaults(links, false); !set) return set;
        pods_.push_back(std::move(netns));
    }
    for (std::size_t i = 0; i < pods.size(); ++i) {
        const NodeIndex host = pods[i].host;
        const auto [found, added] = host_pods_.try_emplace(
            host, nodes_[host], host, underlay().nodes[host].name, limits_.exact);
        place_on_host_.push_back(found->second.add({.index = i, .netns = &pods_[i]}));
    }
    return {};
}

Result<void> KernelLab::make_link(LinkId link, std::vector<Links>& sockets) {
    const UnderlayLink& spec = underlay().links[link];
    const auto veth_end = [&](bool a) {
        const End end = end_of(link, a);
        const Interface* const interface = plan_.graph.interface_of(end.node, link);
        return VethEnd{.name = end.port,
                       .mac = interface == nullptr ? MacAddress{} : interface->mac,
                       .mtu = spec.mtu};
    };
    Result<void> made = sockets[spec.a].add_veth(veth_end(true), veth_end(false), nodes_[spec.b]);
    if (!made) return made;
    for (const bool a : {true, false}) {
        const End end = end_of(link, a);
        if (options_.profile == LinkProfile::faithful) {
            Result<void> off = turn_offloads_off(nodes_[end.node], end.port);
            if (!off) return off;
        }
        if (Result<void> shaped = shape_end(link, a, sockets[end.node]); !shaped) return shaped;
    }
    return {};
}

Result<void> KernelLab::set_up_node(NodeIndex node, Links& links) {
    switch (underlay().nodes[node].kind) {
        case UnderlayNode::Kind::switch_:
            return set_up_switch(links, plan_, node);
        case UnderlayNode::Kind::router:
            return set_up_router(links, plan_, node);
        case UnderlayNode::Kind::host:
            break;
    }
    if (Result<void> done = set_up_host(links, plan_, node); !done) return done;
    const auto pods = host_pods_.find(node);
    return pods == host_pods_.end() ? Result<void>{} : pods->second.make(links);
}

Result<void> KernelLab::shape_end(LinkId link, bool a, Links& links) {
    const UnderlayLink& spec = underlay().links[link];
    LinkShape shape = shape_of(spec, changes_[link], limits_);
    if (shape.is_plain()) return {};
    const End end = end_of(link, a);
    shape.seed =
        plan_.scenario->seed ^ stable_hash(spec.name + "/" + underlay().nodes[end.node].name);
    OVERLAB_TRY(const std::uint32_t index, links.index_of(end.port));
    const Result<void> done = set_shape(links.socket(), index, shape);
    if (done || done.error().kind != ErrorKind::unsupported) return done;
    const std::string wish = shape.has_line() ? netem_wishes(shape) : "its rate";
    return fail(
        ErrorKind::unsupported,
        fmt::format("{} cannot be had here: {}; --world vm has it", wish, done.error().what),
        done.error().os_errno);
}

void KernelLab::collect_warnings() {
    warnings_ = topology_warnings(plan_);
    for (std::string& line : shape_warnings(underlay().links, limits_))
        warnings_.push_back(std::move(line));
    if (options_.profile == LinkProfile::fast) {
        warnings_.emplace_back(
            "link profile fast: packets cross links as aggregates of up to 64 KB, so frame counts "
            "and captures are not those of a wire");
    }
}

// ---- hosts and pods ----

HostFacts KernelLab::facts(NodeIndex host) const {
    const Interface& interface = plan_.graph.host_interface(host);
    const auto moved = new_addresses_.find(host);
    return {.name = underlay().nodes[host].name,
            .external_link = std::string(host_port),
            .external_address = moved == new_addresses_.end() ? interface.address : moved->second,
            .external_mtu = underlay().links[interface.link].mtu};
}

Result<void> KernelLab::set_up_pods(NodeIndex host, Ipv4Prefix subnet, std::uint32_t overlay_mtu) {
    const auto pods = host_pods_.find(host);
    return pods == host_pods_.end() ? Result<void>{} : pods->second.move_to(subnet, overlay_mtu);
}

Ipv4Address KernelLab::pod_address(std::size_t pod) const {
    const HostPods& pods = host_pods_.at(plan_.scenario->pods.at(pod).host);
    return pods.address(place_on_host_.at(pod));
}

// ---- links ----

Result<void> KernelLab::set_link_up(LinkId link, bool up) {
    if (link_up_.at(link) == up) return {};
    for (const bool a : {true, false}) {
        const End end = end_of(link, a);
        OVERLAB_TRY(Links links, Links::open(nodes_[end.node]));
        OVERLAB_TRY(const std::uint32_t index, links.index_of(end.port));
        if (up) {
            // Removes the black hole, too, where the link has no shape.
            if (Result<void> done = set_shape(links.socket(), index, {}); !done) return done;
            if (Result<void> done = shape_end(link, a, links); !done) return done;
            continue;
        }
        if (auto kept = keep_drops(link, a, index, links); !kept) return kept;
        if (Result<void> done = set_black_hole(links.socket(), index); !done) return done;
    }
    link_up_[link] = up;
    return {};
}

/// A queue's counts end with it.
Result<void> KernelLab::keep_drops(LinkId link, bool a, std::uint32_t index, Links& links) {
    OVERLAB_TRY(auto drops, queue_drops(links.socket()));
    drops_before_[2 * link + (a ? 0 : 1)].queue += drops[index].queue;
    drops_before_[2 * link + (a ? 0 : 1)].loss += drops[index].loss;
    return {};
}

Result<void> KernelLab::change_link(LinkId link, const LinkChange& change) {
    changes_.at(link) = change;
    for (const bool a : {true, false}) {
        const End end = end_of(link, a);
        OVERLAB_TRY(Links links, Links::open(nodes_[end.node]));
        OVERLAB_TRY(const std::uint32_t index, links.index_of(end.port));
        if (!is_host(end.node)) {
            const std::uint32_t mtu = change.mtu.value_or(underlay().links[link].mtu);
            if (Result<void> done = links.set_mtu(end.port, mtu); !done) return done;
        }
        if (!link_up_[link]) continue;  // set_link_up() brings the new shape
        if (auto kept = keep_drops(link, a, index, links); !kept) return kept;
        if (Result<void> done = set_shape(links.socket(), index, {}); !done) return done;
        if (Result<void> done = shape_end(link, a, links); !done) return done;
    }
    return {};
}

// ---- hosts under faults ----

Result<void> KernelLab::cut_pods(NodeIndex host) {
    const auto pods = host_pods_.find(host);
    return pods == host_pods_.end() ? Result<void>{} : pods->second.cut();
}

Result<void> KernelLab::set_address(NodeIndex host, Ipv4Address address) {
    const Interface& interface = plan_.graph.host_interface(host);
    const unsigned length = plan_.graph.segments()[interface.segment].prefix.length;
    const std::string port(host_port);
    OVERLAB_TRY(Links links, Links::open(nodes_[host]));
    const Ipv4Address before = facts(host).external_address;
    if (Result<void> added = links.add_address(port, address, length); !added) return added;
    if (Result<void> gone = links.remove_address(port, before, length); !gone) return gone;
    new_addresses_[host] = address;
    // The first address takes those of its segment with it, and the routes through them.
    if (Result<void> again = links.add_address(port, address, length); !again) return again;
    const NextHop hop{.link = port, .gateway = plan_.graph.gateway_of(host)};
    return links.set_route(Ipv4Prefix{}, std::span(&hop, 1));
}

Result<void> KernelLab::start_captures(const std::filesystem::path& folder, std::int64_t epoch_ns) {
    CHECK(captures_ == nullptr);
    std::vector<CapturePoint> points;
    for (LinkId link = 0; link < underlay().links.size(); ++link) {
        const std::string& name = underlay().links[link].name;
        // A host shows its sniffers what it has decrypted as if it had come over the wire
        // (xfrm_input() hands tunnelled packets back to the device), so the link is watched at the
        // end that is no host, where there is one.
        const bool far_end =
            is_host(underlay().links[link].a) && !is_host(underlay().links[link].b);
        const End end = end_of(link, !far_end);
        points.push_back({.netns = &nodes_[end.node],
                          .far_end = far_end,
                          .interface = end.port,
                          .name = name,
                          .file = folder / (name + ".pcapng")});
    }
    OVERLAB_TRY(captures_, Captures::start(points, epoch_ns));
    return {};
}

Result<void> KernelLab::stop_captures() {
    if (captures_ == nullptr) return {};
    const std::unique_ptr<Captures> ending = std::move(captures_);
    OVERLAB_TRY(const std::vector<std::string> remarks, ending->stop());
    warnings_.insert(warnings_.end(), remarks.begin(), remarks.end());
    return {};
}

Result<std::vector<LinkReport>> KernelLab::link_reports() {
    struct Counted {
        LinkCounters counters;
        QueueDrops drops;
    };
    std::map<std::pair<NodeIndex, std::string>, Counted> ends;
    for (NodeIndex node = 0; node < nodes_.size(); ++node) {
        OVERLAB_TRY(Links links, Links::open(nodes_[node]));
        OVERLAB_TRY(auto drops, queue_drops(links.socket()));
        OVERLAB_TRY(const std::vector<LinkFacts> all, links.list());
        for (const LinkFacts& facts : all)
            ends[{node, facts.name}] = {facts.counters, drops[facts.index]};
    }
    std::vector<LinkReport> reports;
    for (LinkId link = 0; link < underlay().links.size(); ++link) {
        for (const bool a : {true, false}) {
            const End from = end_of(link, a);
            const auto& [counters, drops] = ends[{from.node, from.port}];
            const QueueDrops& before = drops_before_[2 * link + (a ? 0 : 1)];
            // A veth refuses a packet when the receiver's backlog is full.
            reports.push_back(
                {.name = underlay().links[link].name,
                 .from = underlay().nodes[from.node].name,
                 .to = underlay().nodes[end_of(link, !a).node].name,
                 .frames = counters.sent_packets,
                 .bytes = counters.sent_bytes + wire_overhead_bytes * counters.sent_packets,
                 .queue_drops = before.queue + drops.queue + counters.sent_dropped,
                 .loss_drops = before.loss + drops.loss});
        }
    }
    return reports;
}

}  // namespace

Result<std::unique_ptr<Lab>> Lab::build(const Scenario& scenario, const LabOptions& options) {
    OVERLAB_TRY(LabPlan plan, plan_lab(scenario));
    auto lab = std::make_unique<KernelLab>(std::move(plan), options);
    if (Result<void> made = lab->make(); !made) return std::unexpected(made.error());
    return std::unique_ptr<Lab>(std::move(lab));
}

}  // namespace overlab::real
