#include "tests/bench/overlay_lab.h"

#include <fmt/core.h>
#include <ns3/inet-socket-address.h>
#include <ns3/simulator.h>

#include <optional>
#include <string>
#include <vector>

#include "models/backends/backend.h"
#include "models/lease/network_config.h"
#include "sim/pod.h"
#include "sim/sim_host_stack.h"
#include "sim/traffic_raw.h"
#include "sim/underlay_network.h"

namespace overlab::bench {
namespace {

constexpr std::uint16_t pod_port = 9000;
constexpr std::uint32_t max_hosts = 4096;
constexpr std::string_view network_json =
    R"({"Network": "10.0.0.0/8", "SubnetLen": 24, "Backend": {"Type": "vxlan", "Port": 4789}})";

Ipv4Prefix pod_subnet(std::uint32_t host) {
    return Ipv4Prefix::of({0x0a000000U + ((host + 1) << 8)}, 24);
}
Ipv4Address pod_address(std::uint32_t host) { return pod_subnet(host).at(2); }

/// Hosts h0000.. on one switch, 10 Gbit/s and 1 us a link, addresses of RFC 2544.
Scenario underlay_of(const OverlayOptions& options) {
    Scenario scenario;
    scenario.underlay.address_pool = Ipv4Prefix::of({0xc6120000}, 15);
    for (std::uint32_t host = 0; host < options.hosts; ++host) {
        const std::string name = fmt::format("h{:04}", host);
        scenario.underlay.nodes.push_back({.name = name, .address = {}});
        scenario.underlay.links.push_back(
            {.name = name + "--sw", .a = host, .b = options.hosts, .delay = microseconds(1)});
    }
    scenario.underlay.nodes.push_back(
        {.name = "sw", .kind = UnderlayNode::Kind::switch_, .address = {}});
    scenario.sim.cpu_model = options.cpu_model;
    return scenario;
}

/// A pod that is only a generator, which wants its port before it can be made.
class RawPod final : public sim::PodEnd {
   public:
    void start(sim::Engine& engine, sim::PodPort& port, Ipv4Address to,
               const OverlayOptions& options, std::int64_t at_ns) {
        const std::int64_t length_ns = options.interval_ns * options.packets_per_pod;
        generator_.emplace(engine, port,
                           sim::RawGenerator::Spec{.name = address_.to_string(),
                                                   .destinations = {to},
                                                   .random = false,
                                                   .payload_bytes = options.payload_bytes,
                                                   .interval = {options.interval_ns}});
        generator_->configured(address_, {}, {}, 0);
        generator_->run({at_ns}, {at_ns + length_ns});
    }
    void from_host(sim::FramePtr frame) override { generator_->from_host(std::move(frame)); }
    void configured(Ipv4Address address, Ipv4Prefix, Ipv4Address, std::uint32_t) override {
        address_ = address;
    }
    [[nodiscard]] std::uint64_t received() const { return generator_->packets(); }

   private:
    Ipv4Address address_;
    std::optional<sim::RawGenerator> generator_;
};

/// A pod with ns-3's UDP, and the peer's way of sending.
class StackPod {
   public:
    StackPod(sim::Engine& engine, const OverlayOptions& options, std::uint32_t host)
        : options_(options), pod_(engine, fmt::format("p{:04}", host), {}) {}

    [[nodiscard]] sim::Pod& pod() { return pod_; }
    void start(Ipv4Address to, std::int64_t at_ns) {
        sink_ = pod_.new_udp_socket();
        CHECK(sink_->Bind(ns3::InetSocketAddress(pod_port)) == 0);
        sink_->SetRecvCallback(ns3::MakeCallback(&StackPod::receive, this));
        source_ = pod_.new_udp_socket();
        CHECK(source_->Connect(ns3::InetSocketAddress(ns3::Ipv4Address(to.bits), pod_port)) == 0);
        ns3::Simulator::Schedule(ns3::NanoSeconds(at_ns), &StackPod::send, this);
    }
    [[nodiscard]] std::uint64_t received() const { return received_; }

   private:
    void send() {
        source_->Send(ns3::Create<ns3::Packet>(options_.payload_bytes));
        if (++sent_ == options_.packets_per_pod) return;
        ns3::Simulator::Schedule(ns3::NanoSeconds(options_.interval_ns), &StackPod::send, this);
    }
    void receive(ns3::Ptr<ns3::Socket> socket) {
        while (socket->Recv()) ++received_;
    }

    const OverlayOptions& options_;
    sim::Pod pod_;
    ns3::Ptr<ns3::Socket> sink_, source_;
    std::uint64_t received_ = 0;
    std::uint32_t sent_ = 0;
};

}  // namespace

class OverlayLab::Impl {
   public:
    explicit Impl(const OverlayOptions& options)
        : options_(options),
          engine_(sim::Engine::install()),
          scenario_(underlay_of(options)),
          costs_(built_in_cost_profile("laptop").value()),
          network_(sim::UnderlayNetwork::build(engine_, scenario_, costs_, 1).value()),
          config_(parse_network_config(network_json).config),
          backend_(make_backend(config_).value()) {
        CHECK(options.hosts >= 2 && options.hosts <= max_hosts);
        for (std::uint32_t host = 0; host < options.hosts; ++host) add_pod(host);
        for (std::uint32_t host = 0; host < options.hosts; ++host) install_rows(host);
        for (std::uint32_t host = 0; host < options.hosts; ++host) start_traffic(host);
    }
    ~Impl() {
        stack_pods_.clear();
        network_.reset();
        sim::Engine::uninstall();
    }

    void run() {
        const std::int64_t length_ns = options_.interval_ns * (options_.packets_per_pod + 1);
        engine_.run_until(engine_.now_ns() + length_ns + 100'000'000);
    }
    [[nodiscard]] std::uint64_t received() const {
        std::uint64_t sum = 0;
        for (const auto& pod : raw_pods_) sum += pod->received();
        for (const auto& pod : stack_pods_) sum += pod->received();
        return sum;
    }

   private:
    void add_pod(std::uint32_t host) {
        sim::SimHost& machine = *network_->host(host);
        if (options_.stacks) {
            stack_pods_.push_back(std::make_unique<StackPod>(engine_, options_, host));
            stack_pods_.back()->pod().connect(machine.add_pod(stack_pods_.back()->pod()));
        } else {
            raw_pods_.push_back(std::make_unique<RawPod>());
            ports_.push_back(&machine.add_pod(*raw_pods_.back()));
        }
    }
    [[nodiscard]] LocalNode local(std::uint32_t host) {
        return {.host = sim::SimHostStack(*network_->host(host)).facts(),
                .subnet = {.v4 = pod_subnet(host)},
                .vtep_mac = {0x020000000001U + host}};
    }
    void install_rows(std::uint32_t host) {
        const LocalNode self = local(host);
        std::vector<Row> rows = backend_->plan_local(self).rows;
        for (std::uint32_t other = 0; other < options_.hosts; ++other) {
            if (other == host) continue;
            const LocalNode peer = local(other);
            const Lease lease{.subnet = peer.subnet,
                              .attributes = backend_->attributes(peer.host, peer.vtep_mac)};
            Plan plan = backend_->plan_peer(self, lease, Reach::on_link);
            rows.insert(rows.end(), plan.rows.begin(), plan.rows.end());
        }
        sim::SimHost& machine = *network_->host(host);
        const ForwardingState state = ForwardingState::of(rows);
        for (const Row& row : state.rows()) CHECK(machine.tables().install(row).has_value());
        machine.set_up_pods(self.subnet.v4, backend_->overlay_mtu(self.host.external_mtu));
    }
    void start_traffic(std::uint32_t host) {
        const Ipv4Address to = pod_address((host + options_.hosts / 2) % options_.hosts);
        const std::int64_t at_ns = options_.interval_ns * host / options_.hosts;
        if (options_.stacks) {
            stack_pods_[host]->start(to, at_ns);
        } else {
            raw_pods_[host]->start(engine_, *ports_[host], to, options_, at_ns);
        }
    }

    OverlayOptions options_;
    sim::Engine& engine_;
    Scenario scenario_;
    CostProfile costs_;
    std::unique_ptr<sim::UnderlayNetwork> network_;
    NetworkConfig config_;
    std::unique_ptr<Backend> backend_;
    std::vector<std::unique_ptr<RawPod>> raw_pods_;
    std::vector<sim::PodPort*> ports_;
    std::vector<std::unique_ptr<StackPod>> stack_pods_;
};

OverlayLab::OverlayLab(const OverlayOptions& options) : impl_(std::make_unique<Impl>(options)) {}
OverlayLab::~OverlayLab() = default;
void OverlayLab::run() { impl_->run(); }
std::uint64_t OverlayLab::packets_received() const { return impl_->received(); }

}  // namespace overlab::bench
