// SimLab: simulated hosts whose rows are planned directly (no store, no nodes), and pods that
// record what reaches them. For tests of the datapath alone.
//
//   h1 --- sw --- h2      (or whatever underlay the test describes); host i owns 10.244.i.0/24
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/backends/backend.h"
#include "models/lease/network_config.h"
#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/sim_host_stack.h"
#include "sim/underlay_network.h"

namespace overlab::test {

/// A pod that sends what it is told to and remembers what came.
class RecordingPod final : public sim::PodEnd {
   public:
    struct Received {
        std::int64_t at_ns;
        std::vector<std::uint8_t> headers;  ///< from the IPv4 header on
        std::uint32_t segments, payload_bytes;
    };

    void from_host(sim::FramePtr frame) override {
        received.push_back({engine->now_ns(),
                            {frame->data(), frame->data() + frame->header_bytes()},
                            frame->segments,
                            frame->payload_bytes});
    }
    void configured(Ipv4Address own, Ipv4Prefix, Ipv4Address, std::uint32_t pod_mtu) override {
        address = own;
        mtu = pod_mtu;
    }

    /// A UDP packet of `size` bytes (IPv4 total length).
    void send_udp(Ipv4Address to, std::uint32_t size, std::uint8_t ttl = 64,
                  std::uint16_t source_port = 40000, bool dont_fragment = true) {
        auto frame = std::make_unique<sim::Frame>();
        frame->payload_bytes = size - 28;
        std::uint8_t* udp = frame->prepend(8);
        store_be16(udp, source_port);
        store_be16(udp + 2, 9000);
        store_be16(udp + 4, static_cast<std::uint16_t>(size - 20));
        store_be16(udp + 6, 0);
        sim::push_ipv4(
            *frame,
            {.source = address, .destination = to, .ttl = ttl, .dont_fragment = dont_fragment});
        frame->flow_hash = flow_hash(address, to, 17, source_port, 9000);
        port->to_host(std::move(frame));
    }

    sim::Engine* engine = nullptr;
    sim::PodPort* port = nullptr;
    Ipv4Address address;
    std::uint32_t mtu = 0;
    std::vector<Received> received;
};

class SimLab {
   public:
    SimLab(Scenario scenario, std::string_view network_json)
        : engine(sim::Engine::install()), scenario_(std::move(scenario)) {
        auto parsed = parse_network_config(network_json);
        CHECK(parsed.problems.empty());
        config_ = parsed.config;
        costs_ = built_in_cost_profile("laptop").value();
        auto built = sim::UnderlayNetwork::build(engine, scenario_, costs_, 1);
        CHECK(built.has_value());
        network = std::move(*built);
        backend = make_backend(config_).value();
        for (NodeIndex node = 0; node < scenario_.underlay.nodes.size(); ++node) {
            if (network->host(node) != nullptr) add_pod(node);
        }
        plan_all();
    }
    ~SimLab() {
        pods.clear();
        network.reset();
        sim::Engine::uninstall();
    }

    [[nodiscard]] sim::SimHost& host(std::size_t i) { return *hosts_[i]; }
    [[nodiscard]] RecordingPod& pod(std::size_t i) { return *pods[i]; }
    void run(std::int64_t for_ns = 10'000'000) { engine.run_until(engine.now_ns() + for_ns); }

    /// Both directions of one tunnel's SA between hosts i and j, with fixed SPIs.
    void install_sas(std::size_t i, std::size_t j, std::uint32_t reqid = 11) {
        for (const auto& [from, to] : {std::pair(i, j), std::pair(j, i)}) {
            const SaRow sa{.source = hosts_[from]->address(),
                           .destination = hosts_[to]->address(),
                           .spi = 0xc0000000U + static_cast<std::uint32_t>(from * 16 + to),
                           .reqid = reqid};
            CHECK(hosts_[from]->tables().install(sa).has_value());
            CHECK(hosts_[to]->tables().install(sa).has_value());
            keys.add(sa, sim::EspKey{});
        }
    }

    sim::Engine& engine;
    std::unique_ptr<sim::UnderlayNetwork> network;
    std::unique_ptr<Backend> backend;
    std::vector<std::unique_ptr<RecordingPod>> pods;
    sim::EspKeyRing keys;

   private:
    void add_pod(NodeIndex node) {
        sim::SimHost* host = network->host(node);
        hosts_.push_back(host);
        auto pod = std::make_unique<RecordingPod>();
        pod->engine = &engine;
        pod->port = &host->add_pod(*pod);
        pods.push_back(std::move(pod));
    }

    [[nodiscard]] LocalNode local(std::size_t i) const {
        sim::SimHostStack stack(*hosts_[i]);
        return {.host = stack.facts(),
                .subnet = {.v4 = Ipv4Prefix::of(
                               {0x0af40000U + static_cast<std::uint32_t>((i + 1) << 8)}, 24)},
                .vtep_mac = {0x020000000001U + i}};
    }

    void plan_all() {
        for (std::size_t i = 0; i < hosts_.size(); ++i) {
            const LocalNode self = local(i);
            sim::SimHostStack stack(*hosts_[i]);
            std::vector<Row> rows = backend->plan_local(self).rows;
            for (std::size_t j = 0; j < hosts_.size(); ++j) {
                if (j == i) continue;
                const LocalNode peer = local(j);
                const Lease lease{.subnet = peer.subnet,
                                  .attributes = backend->attributes(peer.host, peer.vtep_mac)};
                const bool direct = stack.on_link(peer.host.external_address).value_or(false);
                Plan plan =
                    backend->plan_peer(self, lease, direct ? Reach::on_link : Reach::routed);
                rows.insert(rows.end(), plan.rows.begin(), plan.rows.end());
            }
            const ForwardingState state = ForwardingState::of(rows);
            for (const Row& row : state.rows()) {
                CHECK(hosts_[i]->tables().install(row).has_value());
            }
            hosts_[i]->set_up_pods(self.subnet.v4, backend->overlay_mtu(self.host.external_mtu));
        }
    }

    Scenario scenario_;
    NetworkConfig config_;
    CostProfile costs_;
    std::vector<sim::SimHost*> hosts_;
};

/// Hosts h1..hn on one switch; 10 Gbit/s, 5 us a link.
inline Scenario star_scenario(std::size_t hosts, std::uint32_t mtu = 1500) {
    Scenario scenario;
    scenario.underlay.address_pool = Ipv4Prefix::of({0xc0000200}, 24);  // 192.0.2.0/24
    const auto digits = std::to_string(hosts).size();
    for (std::size_t i = 1; i <= hosts; ++i) {
        std::string number = std::to_string(i);
        number.insert(0, digits - number.size(), '0');  // names sort as numbers do
        scenario.underlay.nodes.push_back({.name = "h" + number, .address = {}});
    }
    scenario.underlay.nodes.push_back(
        {.name = "sw", .kind = UnderlayNode::Kind::switch_, .address = {}});
    for (std::size_t i = 0; i < hosts; ++i) {
        scenario.underlay.links.push_back(
            {.name = scenario.underlay.nodes[i].name + "--sw", .a = i, .b = hosts, .mtu = mtu});
    }
    scenario.sim.cpu_model = false;
    return scenario;
}

/// h1 -- r1 -- r2 -- h2 with `middle_mtu` between the routers.
inline Scenario routed_scenario(std::uint32_t middle_mtu = 1500) {
    Scenario scenario;
    scenario.underlay.address_pool = Ipv4Prefix::of({0xc6336400}, 24);  // 198.51.100.0/24
    scenario.underlay.nodes = {{.name = "h1", .address = {}},
                               {.name = "h2", .address = {}},
                               {.name = "r1", .kind = UnderlayNode::Kind::router, .address = {}},
                               {.name = "r2", .kind = UnderlayNode::Kind::router, .address = {}}};
    scenario.underlay.links = {{.name = "h1--r1", .a = 0, .b = 2},
                               {.name = "h2--r2", .a = 1, .b = 3},
                               {.name = "r1--r2", .a = 2, .b = 3, .mtu = middle_mtu}};
    scenario.sim.cpu_model = false;
    return scenario;
}

}  // namespace overlab::test
