#include "sim/sim_cross_side.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "sim/walk.h"

namespace overlab::sim {

class SimCrossSide::Pod final : public PodEnd {
   public:
    void from_host(FramePtr /*frame*/) override {}
    void configured(Ipv4Address /*address*/, Ipv4Prefix /*subnet*/, Ipv4Address /*gateway*/,
                    std::uint32_t /*mtu*/) override {}
};

/// Everything that one layout needs. Order matters: the network refers to scenario and pods.
struct SimCrossSide::World {
    Scenario scenario;
    std::vector<std::unique_ptr<Pod>> pods;
    std::unique_ptr<UnderlayNetwork> network;
    std::vector<SimHost*> hosts;
    std::vector<SimHostStack> stacks;
};

namespace {

/// Hosts, then `r`, then `sw1` and on: ascending, as a parsed scenario's nodes are.
Scenario scenario_of(const CrossLayout& layout) {
    Scenario scenario;
    scenario.sim.cpu_model = false;
    Underlay& underlay = scenario.underlay;
    underlay.address_pool = Ipv4Prefix::of({0xc6120000}, 15);  // 198.18.0.0/15, RFC 2544
    for (const CrossHost& host : layout.hosts) {
        underlay.nodes.push_back({.name = host.name, .address = host.address});
    }
    const std::size_t router = underlay.nodes.size();
    underlay.nodes.push_back(
        {.name = "r", .kind = UnderlayNode::Kind::router, .address = std::nullopt});
    for (std::size_t i = 0; i < layout.segments.size(); ++i) {
        underlay.nodes.push_back({.name = fmt::format("sw{}", i + 1),
                                  .kind = UnderlayNode::Kind::switch_,
                                  .address = std::nullopt});
    }
    const auto link = [&](std::size_t a, std::size_t segment) {
        const std::size_t b = router + 1 + segment;
        underlay.links.push_back(
            {.name = fmt::format("{}--{}", underlay.nodes[a].name, underlay.nodes[b].name),
             .a = a,
             .b = b,
             .mtu = layout.segments[segment].mtu});
    };
    for (std::size_t i = 0; i < layout.hosts.size(); ++i) link(i, layout.hosts[i].segment);
    for (std::size_t i = 0; i < layout.segments.size(); ++i) {
        const bool used = std::ranges::any_of(
            layout.hosts, [i](const CrossHost& host) { return host.segment == i; });
        if (used) link(router, i);
    }
    return scenario;
}

Result<void> check(const CrossLayout& layout) {
    const auto wrong = [](std::string_view what) {
        return fail(ErrorKind::invalid_argument, fmt::format("layout: {}", what));
    };
    for (const CrossSegment& segment : layout.segments) {
        if (segment.subnet.length != 24) return wrong("a segment is not a /24");
    }
    const auto& hosts = layout.hosts;
    const auto ascending = [](const CrossHost& a, const CrossHost& b) { return a.name < b.name; };
    if (!std::ranges::is_sorted(hosts, ascending)) return wrong("hosts' names do not ascend");
    if (hosts.empty() || hosts.back().name >= "r") return wrong("a host's name is not below `r`");
    return {};
}

}  // namespace

SimCrossSide::SimCrossSide() : costs_(built_in_cost_profile("laptop").value()) {}

SimCrossSide::~SimCrossSide() {
    if (world_ == nullptr) return;
    world_.reset();
    Engine::uninstall();
}

Result<void> SimCrossSide::reset(const CrossLayout& layout) {
    if (auto possible = check(layout); !possible) return possible;
    if (world_ != nullptr) {
        world_.reset();
        Engine::uninstall();
    }
    Engine& engine = Engine::install();
    auto world = std::make_unique<World>();
    world->scenario = scenario_of(layout);
    auto network = UnderlayNetwork::build(engine, world->scenario, costs_, 1);
    if (!network) {
        world.reset();
        Engine::uninstall();
        return std::unexpected(network.error());
    }
    world->network = std::move(*network);
    for (std::size_t i = 0; i < layout.hosts.size(); ++i) {
        SimHost* host = world->network->host(i);
        CHECK(host != nullptr && host->address() == layout.hosts[i].address);
        world->hosts.push_back(host);
        world->stacks.emplace_back(*host);
        world->pods.push_back(std::make_unique<Pod>());
        (void)host->add_pod(*world->pods.back());  // the host's end: nothing is sent
    }
    world_ = std::move(world);
    return {};
}

HostStack& SimCrossSide::stack(std::size_t host) { return world_->stacks.at(host); }

ForwardingTables& SimCrossSide::tables(std::size_t host) {
    return world_->hosts.at(host)->tables();
}

void SimCrossSide::set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) {
    world_->hosts.at(host)->set_up_pods(subnet, mtu);
}

PacketWalk SimCrossSide::walk() { return packet_walk(*world_->network); }

}  // namespace overlab::sim
