#include "sim/underlay_network.h"

#include <fmt/format.h>

namespace overlab::sim {

Result<std::unique_ptr<UnderlayNetwork>> UnderlayNetwork::build(Engine& engine,
                                                                const Scenario& scenario,
                                                                const CostProfile& costs,
                                                                std::uint64_t seed) {
    OVERLAB_TRY(UnderlayGraph graph, UnderlayGraph::build(scenario.underlay));
    std::unique_ptr<UnderlayNetwork> network(new UnderlayNetwork(scenario, std::move(graph)));
    network->make_links(engine, seed);
    network->make_nodes(engine, scenario, costs);
    network->connect_links();
    return network;
}

UnderlayNetwork::UnderlayNetwork(const Scenario& scenario, UnderlayGraph graph)
    : underlay_(&scenario.underlay),
      graph_(std::move(graph)),
      by_flow_(scenario.traffic.size() + 1),
      hosts_(scenario.underlay.nodes.size()),
      switches_(scenario.underlay.nodes.size()),
      routers_(scenario.underlay.nodes.size()) {
    for (const Interface& interface : graph_.interfaces()) {
        const auto node = static_cast<std::uint32_t>(interface.node);
        directory_.node_by_mac.put(interface.mac.bits, node);
        directory_.node_by_address.put(interface.address.bits, node);
    }
}

void UnderlayNetwork::make_links(Engine& engine, std::uint64_t seed) {
    for (const UnderlayLink& link : underlay_->links) {
        for (const bool from_a : {true, false}) {
            const std::string& from = underlay_->nodes[from_a ? link.a : link.b].name;
            transmitters_.push_back(std::make_unique<LinkTransmitter>(
                engine,
                LinkTransmitter::Spec{.name = link.name + "/" + from,
                                      .rate_bps = link.rate_bps,
                                      .delay_ns = link.delay.ns,
                                      .queue_bytes = link.queue_bytes,
                                      .loss_ppb = link.loss_ppb,
                                      .mtu = link.mtu},
                seed));
        }
    }
}

std::vector<LinkTransmitter*> UnderlayNetwork::sending_side(NodeIndex node) {
    std::vector<LinkTransmitter*> by_link(underlay_->links.size());
    for (const Port& port : graph_.ports(node)) {
        by_link[port.link] = &transmitter(port.link, underlay_->links[port.link].a == node);
    }
    return by_link;
}

void UnderlayNetwork::make_nodes(Engine& engine, const Scenario& scenario,
                                 const CostProfile& costs) {
    for (NodeIndex node = 0; node < underlay_->nodes.size(); ++node) {
        switch (underlay_->nodes[node].kind) {
            case UnderlayNode::Kind::host:
                make_host(engine, scenario, costs, node);
                break;
            case UnderlayNode::Kind::switch_:
                switches_[node] =
                    std::make_unique<SwitchNode>(graph_, node, directory_, sending_side(node));
                break;
            case UnderlayNode::Kind::router:
                routers_[node] =
                    std::make_unique<RouterNode>(engine, graph_, node, sending_side(node));
                break;
        }
    }
}

void UnderlayNetwork::make_host(Engine& engine, const Scenario& scenario, const CostProfile& costs,
                                NodeIndex node) {
    const Interface& interface = graph_.host_interface(node);
    const UnderlayNode& spec = underlay_->nodes[node];
    const SimHost::Setup setup{.name = spec.name,
                               .external = {.mac = interface.mac,
                                            .address = interface.address,
                                            .subnet = graph_.segments()[interface.segment].prefix},
                               .gateway = graph_.gateway_of(node),
                               .cores = spec.cores,
                               .cpu_model = scenario.sim.cpu_model};
    LinkTransmitter& link = transmitter(interface.link, underlay_->links[interface.link].a == node);
    link.count_flows(&by_flow_);
    hosts_[node] = std::make_unique<SimHost>(engine, setup, link, costs);
}

void UnderlayNetwork::connect_links() {
    for (LinkId id = 0; id < underlay_->links.size(); ++id) {
        for (const bool from_a : {true, false}) {
            const NodeIndex to = from_a ? underlay_->links[id].b : underlay_->links[id].a;
            LinkTransmitter& direction = transmitter(id, from_a);
            if (hosts_[to] != nullptr) {
                direction.connect(*hosts_[to], SimHost::nic_port);
            } else if (switches_[to] != nullptr) {
                direction.connect(*switches_[to], static_cast<std::uint32_t>(id));
            } else {
                direction.connect(*routers_[to], static_cast<std::uint32_t>(id));
            }
        }
    }
}

void UnderlayNetwork::set_link_up(LinkId link, bool up) {
    transmitter(link, true).set_up(up);
    transmitter(link, false).set_up(up);
}

Result<void> UnderlayNetwork::capture_to(const std::filesystem::path& directory,
                                         const Engine& engine, const EspKeyRing& keys) {
    for (LinkId id = 0; id < underlay_->links.size(); ++id) {
        const std::string& name = underlay_->links[id].name;
        OVERLAB_TRY(auto capture,
                    LinkCapture::open(directory / (name + ".pcapng"), name, engine, keys));
        transmitter(id, true).set_tap(capture.get(), true);
        transmitter(id, false).set_tap(capture.get(), false);
        captures_.push_back(std::move(capture));
    }
    return {};
}

Result<void> UnderlayNetwork::close_captures() {
    Result<void> outcome;
    for (auto& capture : captures_) {
        if (auto closed = capture->close(); !closed && outcome) outcome = closed;
    }
    return outcome;
}

}  // namespace overlab::sim
