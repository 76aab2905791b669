#include "sim/sim_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "models/scenario/flows.h"

namespace overlab::sim {
namespace {

constexpr std::uint16_t etcd_port = 2379;
constexpr std::size_t max_timeline = 2000;
constexpr std::int64_t convergence_step_ns = 1'000'000;

}  // namespace

Result<std::unique_ptr<SimWorld>> SimWorld::build(const Scenario& scenario,
                                                  const RunOptions& options) {
    std::unique_ptr<SimWorld> world(new SimWorld(scenario, options));
    if (auto assembled = world->assemble(); !assembled) {
        return std::unexpected(assembled.error());
    }
    return world;
}

SimWorld::SimWorld(const Scenario& scenario, const RunOptions& options)
    : scenario_(&scenario),
      options_(options),
      seed_(options.seed == 0 ? scenario.seed : options.seed),
      engine_(Engine::install()),
      runtime_(engine_) {}

SimWorld::~SimWorld() {
    traffic_.clear();
    pods_.clear();
    programs_.clear();
    store_.reset();
    network_.reset();
    Engine::uninstall();
}

Result<void> SimWorld::assemble() {
    if (std::holds_alternative<WireguardConfig>(scenario_->network.backend)) {
        return fail(ErrorKind::unsupported,
                    "backend wireguard: not simulated; run it with --world kernel or --world vm");
    }
    OVERLAB_TRY(costs_, built_in_cost_profile(scenario_->sim.cost_profile));
    OVERLAB_TRY(network_, UnderlayNetwork::build(engine_, *scenario_, costs_, seed_));
    if (auto captures = open_captures(); !captures) return captures;
    if (auto store = start_store(); !store) return store;
    add_programs();
    add_pods();
    add_traffic();
    schedule_faults();
    return {};
}

Result<void> SimWorld::open_captures() {
    if (options_.capture_dir.empty()) return {};
    return network_->capture_to(options_.capture_dir, engine_, keys_);
}

Result<void> SimWorld::start_store() {
    SimHost* host = network_->host(scenario_->store.host);
    CHECK(host != nullptr);
    store_ =
        std::make_unique<SimKvServer>(*host, runtime_, SimKvServerOptions::from(scenario_->store));
    const auto written = store_->apply({.puts = {{.key = KvLeaseStoreOptions{}.prefix + "/config",
                                                  .value = scenario_->network_json}}});
    if (!written) return std::unexpected(written.error());
    return {};
}

void SimWorld::add_programs() {
    const SimHost& store_host = *network_->host(scenario_->store.host);
    const HostProgram::Setup setup{
        .scenario = scenario_,
        .seed = seed_,
        .store = {store_host.address(), etcd_port},
        .decoder = &decoder_,
        .keys = &keys_,
        .remark = [this](const std::string& host, const std::string& what) { note(host, what); }};
    const auto& nodes = scenario_->underlay.nodes;
    for (NodeIndex node = 0; node < nodes.size(); ++node) {
        if (network_->host(node) == nullptr || !nodes[node].runs_node) continue;
        programs_.push_back(std::make_unique<HostProgram>(*network_->host(node), runtime_, setup));
        HostProgram& program = *programs_.back();
        const auto spread = static_cast<std::uint64_t>(scenario_->boot_spread.ns);
        Rng rng = Rng::stream(seed_, nodes[node].name + "/boot");
        const auto delay = static_cast<std::int64_t>(rng.below(spread + 1));
        runtime_.call_after({delay}, [&program] { program.start(); });
    }
}

void SimWorld::add_pods() {
    const PodTcpOptions tcp{.super_segments = scenario_->sim.super_segments,
                            .max_aggregate_segments = costs_.max_aggregate_segments,
                            .window_bytes = scenario_->sim.pod_window_bytes};
    for (const PodSpec& spec : scenario_->pods) {
        pods_.push_back(std::make_unique<Pod>(engine_, spec.name, tcp));
        SimHost* host = network_->host(spec.host);
        CHECK(host != nullptr);
        pods_.back()->connect(host->add_pod(*pods_.back()));
    }
}

void SimWorld::add_traffic() {
    for (std::size_t i = 0; i < scenario_->traffic.size(); ++i) {
        const TrafficSpec& spec = scenario_->traffic[i];
        traffic_.push_back(std::make_unique<Traffic>(
            spec, TrafficSetup{.from = pods_[spec.from].get(),
                               .to = pods_[spec.to].get(),
                               .seed = seed_,
                               .index = static_cast<std::uint32_t>(i),
                               .run_end = scenario_->duration,
                               .series_step = series_step(scenario_->duration)}));
    }
}

void SimWorld::schedule_faults() {
    for (const FaultSpec& fault : scenario_->faults) {
        const std::string& name = scenario_->underlay.links[fault.link].name;
        runtime_.call_at({fault.at.ns}, [this, link = fault.link, &name] {
            network_->set_link_up(link, false);
            note("", fmt::format("link {} down", name));
        });
        if (!fault.lasts) continue;
        runtime_.call_at({fault.at.ns + fault.lasts->ns}, [this, link = fault.link, &name] {
            network_->set_link_up(link, true);
            note("", fmt::format("link {} up", name));
        });
    }
}

void SimWorld::note(const std::string& host, const std::string& what) {
    if (timeline_.size() == max_timeline) {
        ++unrecorded_remarks_;
        return;
    }
    timeline_.push_back({engine_.now_ns(), host, what});
}

void SimWorld::run_until(std::int64_t end_ns) {
    const std::int64_t end = std::min(end_ns, scenario_->duration.ns);
    if (!options_.progress) {
        engine_.run_until(end);
        return;
    }
    // In steps, not by events: the run is the same with and without somebody watching.
    constexpr std::int64_t steps = 200;
    const std::int64_t begin = engine_.now_ns();
    for (std::int64_t step = 1; step <= steps; ++step) {
        engine_.run_until(begin + (end - begin) * step / steps);
        options_.progress(engine_.now_ns(), scenario_->duration.ns);
    }
}

bool SimWorld::run_until_converged(std::int64_t end_ns) {
    while (!converged() && engine_.now_ns() < end_ns) {
        engine_.run_until(std::min(engine_.now_ns() + convergence_step_ns, end_ns));
    }
    return converged();
}

bool SimWorld::converged() const {
    return std::ranges::all_of(programs_, [&](const auto& program) {
        const OverlayNode& node = program->node();
        return node.held().has_value() && node.converged() &&
               node.peer_count() + 1 == programs_.size();
    });
}

Result<void> SimWorld::finish_captures() {
    if (options_.capture_dir.empty()) return {};
    if (auto closed = network_->close_captures(); !closed) return closed;
    const std::string table = keys_.wireshark_table();
    if (table.empty()) return {};
    const std::filesystem::path path = std::filesystem::path(options_.capture_dir) / "esp_sa";
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << table;
    file.close();
    if (!file) {
        return fail(ErrorKind::unavailable,
                    fmt::format("{}: {}", path.string(), std::strerror(errno)), errno);
    }
    return {};
}

}  // namespace overlab::sim
