#include "real/world/kernel_world.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "models/backends/backend.h"
#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/scenario/flows.h"
#include "real/doctor/capabilities.h"
#include "real/world/kernel_faults.h"

namespace overlab::real {
namespace {

constexpr std::size_t max_timeline = 10'000;
constexpr Duration ready_limit = seconds(30);
constexpr Duration settle_limit = seconds(60);
constexpr Duration status_limit = seconds(10);
/// What traffic's programs may take to report after their end.
constexpr Duration traffic_grace = seconds(6);
constexpr Duration finest_progress_step = milliseconds(200);
constexpr std::int64_t most_progress_steps = 1000;

/// Between two tries to reach a store that does not answer, in virtual time. As the lease keeper's.
constexpr Duration longest_store_pause = minutes(1);

Result<void> make_folder(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", path.string(), std::strerror(errno)),
                errno);
}

LabOptions lab_options(const RunOptions& options) {
    LabOptions lab;
    lab.profile = options.kernel.link_offloads ? LinkProfile::fast : LinkProfile::faithful;
    lab.virtual_time = options.kernel.virtual_time;
    return lab;
}

UdpTunnelOptions tunnel_options(const KernelOptions& kernel) {
    const bool classic = kernel.udp_mode == KernelOptions::UdpMode::classic;
    return {.mode = classic ? UdpTunnelOptions::Mode::classic : UdpTunnelOptions::Mode::fast,
            .queues = kernel.udp_queues};
}

/// What this run needs beside its backend, and what for.
std::vector<std::pair<Feature, std::string>> wanted_features(const Scenario& scenario,
                                                             const KernelOptions& kernel) {
    std::vector<std::pair<Feature, std::string>> wanted;
    for (const TrafficSpec& traffic : scenario.traffic) {
        using Kind = TrafficSpec::Kind;
        if (traffic.kind != Kind::tcp && traffic.kind != Kind::udp) continue;
        wanted.emplace_back(Feature::iperf3, "traffic " + traffic.name);
        break;
    }
    if (scenario.store.kind == StoreSpec::Kind::etcd)
        wanted.emplace_back(Feature::etcd, "store kind etcd");
    if (kernel.ip_masq || kernel.forward_rules)
        wanted.emplace_back(Feature::nftables, "packet filter rules");
    return wanted;
}

/// Before anything is built: what is missing is said in one line, and no flow is measured as zero
/// because its program is not there.
Result<void> check_machine(const Scenario& scenario, const KernelOptions& kernel) {
    const std::vector<FeatureState> features = probe_features();
    auto able = can_run(backend_name(scenario.network.backend), features);
    if (!able) return able;
    for (const auto& [feature, purpose] : wanted_features(scenario, kernel)) {
        const auto state = std::ranges::find(features, feature, &FeatureState::feature);
        CHECK(state != features.end());
        if (state->available) continue;
        return fail(ErrorKind::unsupported,
                    fmt::format("{}: {}; {}", purpose, state->why, state->remedy));
    }
    return {};
}

}  // namespace

Duration quiet_span(Duration lease_ttl) {
    const Duration share = seconds(lease_ttl.ns / 24 / seconds(1).ns);
    return std::clamp(share, seconds(1), hours(1));
}

Duration progress_step(Duration run) {
    return std::max(finest_progress_step, run / most_progress_steps);
}

Result<std::unique_ptr<KernelWorld>> KernelWorld::build(const Scenario& scenario,
                                                        const RunOptions& options) {
    std::unique_ptr<KernelWorld> world(new KernelWorld(scenario, options));
    if (auto assembled = world->assemble(); !assembled) return std::unexpected(assembled.error());
    return world;
}

KernelWorld::KernelWorld(const Scenario& scenario, const RunOptions& options)
    : scenario_(&scenario),
      options_(options),
      seed_(options.seed == 0 ? scenario.seed : options.seed),
      folder_(options.kernel.scratch_dir) {}

// Traffic and agents live in the lab's namespaces and talk to the store.
KernelWorld::~KernelWorld() {
    player_.reset();
    faults_.reset();
    traffic_.clear();
    agents_.clear();
    store_.reset();
}

/// A fault that cannot strike here is said before anything is built.
Result<void> check_faults(const Scenario& scenario) {
    const auto others = faults_outside(scenario, KernelFaults::supported());
    if (others.empty()) return {};
    return fail(ErrorKind::unsupported,
                fmt::format("fault {}: the kernel world cannot do it; run it in sim",
                            to_string(others.front())));
}

Result<void> KernelWorld::assemble() {
    if (auto able = check_faults(*scenario_); !able) return able;
    if (auto able = check_machine(*scenario_, options_.kernel); !able) return able;
    OVERLAB_TRY(lab_, Lab::build(*scenario_, lab_options(options_)));
    if (auto store = start_store(); !store) return store;
    if (auto agents = start_agents(); !agents) return agents;
    add_traffic();
    warm_up();
    return await_ready();
}

Result<void> KernelWorld::start_store() {
    const StoreSpec& spec = scenario_->store;
    const StorePlace place{.netns = &lab_->node(spec.host),
                           .address = lab_->graph().host_interface(spec.host).address,
                           .folder = folder_ / "store",
                           .will_doze = options_.kernel.virtual_time};
    if (auto made = make_folder(place.folder); !made) return made;
    OVERLAB_TRY(store_, StoreService::start(spec.kind, place, scenario_->network_json));
    if (!options_.kernel.virtual_time) return {};
    return store_->doze(place, quiet_span(spec.lease_ttl));
}

const std::string& KernelWorld::name_of(NodeIndex node) const {
    return scenario_->underlay.nodes[node].name;
}

AgentOptions KernelWorld::agent_options(NodeIndex host) const {
    const std::string& name = name_of(host);
    AgentOptions agent;
    agent.facts = lab_->facts(host);
    agent.node = {.seed = seed_, .audit_interval = scenario_->sim.audit_interval};
    agent.node.filter = {.masquerade = options_.kernel.ip_masq,
                         .forward = options_.kernel.forward_rules};
    agent.leases = {.lease_ttl = scenario_->store.lease_ttl, .seed = seed_, .host = name};
    agent.etcd.endpoints = {store_->endpoint()};
    if (options_.kernel.virtual_time) {
        const Duration quiet = quiet_span(scenario_->store.lease_ttl);
        agent.etcd.probe_after = std::max(agent.etcd.probe_after, quiet);
        agent.leases.unavailable_max =
            std::max(agent.leases.unavailable_max, std::min(quiet, longest_store_pause));
    }
    agent.tunnel = tunnel_options(options_.kernel);
    agent.with_ike = std::holds_alternative<IpsecConfig>(scenario_->network.backend);
    agent.folder = folder_ / ("agent-" + name);
    agent.netlink.wireguard_key_file = agent.folder / "wgkey";
    return agent;
}

Result<void> KernelWorld::start_agents() {
    const auto& nodes = scenario_->underlay.nodes;
    for (NodeIndex node = 0; node < nodes.size(); ++node) {
        if (nodes[node].kind == UnderlayNode::Kind::host && nodes[node].runs_node)
            agents_.push_back({.host = node});
    }
    for (Agent& agent : agents_) {
        if (auto started = start_agent(agent); !started) return started;
    }
    return {};
}

Result<void> KernelWorld::start_agent(Agent& agent) {
    AgentOptions options = agent_options(agent.host);
    if (auto made = make_folder(options.folder); !made) return made;
    agent.ready = false;
    agent.begun = false;
    OVERLAB_TRY(agent.process,
                AgentProcess::start(loop_, lab_->node(agent.host), std::move(options),
                                    [this, &agent](const AgentMessage& m) { hear(agent, m); }));
    agent.process->process().on_exit(loop_, [this, &agent](const ExitStatus& status) {
        if (!agent.failure) agent.failure = fmt::format("the agent ended: {}", status.to_string());
        note(name_of(agent.host), *agent.failure);
    });
    return {};
}

Result<void> KernelWorld::await_ready() {
    const auto settled = [this] {
        return std::ranges::all_of(agents_,
                                   [](const Agent& agent) { return agent.ready || agent.failure; });
    };
    const bool in_time = loop_.run_until(settled, ready_limit);
    if (const Agent* failed = failed_agent()) {
        return fail(ErrorKind::unavailable,
                    fmt::format("host {}: {}", name_of(failed->host), *failed->failure));
    }
    if (!in_time) return fail(ErrorKind::unavailable, "agents: not ready in time");
    return {};
}

const KernelWorld::Agent* KernelWorld::failed_agent() const {
    const auto found =
        std::ranges::find_if(agents_, [](const Agent& agent) { return agent.failure.has_value(); });
    return found == agents_.end() ? nullptr : &*found;
}

void KernelWorld::hear(Agent& agent, const AgentMessage& message) {
    switch (message.kind) {
        case AgentMessage::Kind::ready:
            agent.ready = true;
            if (std::exchange(agent.begin_when_ready, false) && !agent.begun) begin_agent(agent);
            break;
        case AgentMessage::Kind::lease:
            hear_of_lease(agent, message);
            if (meter_) meter_->reacted(agent.host);
            break;
        case AgentMessage::Kind::remark:
            note(name_of(agent.host), message.text);
            if (meter_) meter_->reacted(agent.host);
            break;
        case AgentMessage::Kind::status:
            agent.status = message.status;
            break;
        case AgentMessage::Kind::failed:
            agent.failure = message.text;
            break;
        case AgentMessage::Kind::rows:
            agent.store_messages = message.store_messages;
            if (meter_) meter_->rows_changed(message.row_count);
            if (meter_) meter_->reacted(agent.host);
            break;
    }
}

/// The first start of a program reads it from disk, in an emulated machine for most of a second,
/// which would be missing from a flow's time.
void KernelWorld::warm_up() const {
    const auto wants_iperf = [](const TrafficSpec& spec) {
        return spec.kind == TrafficSpec::Kind::tcp || spec.kind == TrafficSpec::Kind::udp;
    };
    if (!std::ranges::any_of(scenario_->traffic, wants_iperf)) return;
    (void)output_of({.argv = {"iperf3", "--version"}});  // If it fails, the flow will say so.
}

/// Pods that are where the lease says, because an agent came back with it, are left alone.
void KernelWorld::hear_of_lease(Agent& agent, const AgentMessage& message) {
    const std::pair place(message.subnet, message.mtu);
    if (agent.pods_at == place) return;
    const auto pods = lab_->set_up_pods(agent.host, message.subnet, message.mtu);
    if (pods) agent.pods_at = place;
    if (!pods) note(name_of(agent.host), pods.error().what);
}

void KernelWorld::add_traffic() {
    const auto backend = make_backend(scenario_->network);
    for (std::size_t i = 0; i < scenario_->traffic.size(); ++i) {
        const TrafficSpec& spec = scenario_->traffic[i];
        const auto end = [this](std::size_t pod) {
            return TrafficEnd{.netns = &lab_->pod(pod),
                              .pod = scenario_->pods[pod].name,
                              .host = name_of(scenario_->pods[pod].host),
                              .address = [this, pod] { return lab_->pod_address(pod); }};
        };
        const std::uint32_t outer = lab_->facts(scenario_->pods[spec.from].host).external_mtu;
        traffic_.push_back(
            RealTraffic::create(loop_, spec,
                                {.from = end(spec.from),
                                 .to = end(spec.to),
                                 .index = i,
                                 .seed = seed_,
                                 .run_end = scenario_->duration,
                                 .series_step = series_step(scenario_->duration),
                                 .overlay_mtu = backend ? (*backend)->overlay_mtu(outer) : outer,
                                 .folder = folder_}));
    }
}

Result<void> KernelWorld::begin() {
    loop_.set_epoch(EventLoop::monotonic_ns());
    if (!options_.capture_dir.empty()) {
        const auto captures = lab_->start_captures(options_.capture_dir, loop_.epoch_ns());
        if (!captures) return captures;
    }
    schedule_boots();
    if (options_.kernel.settle_first) settle();
    cpu_.start();
    for (const auto& traffic : traffic_) traffic->start();
    start_faults();
    if (options_.progress) keep_progress();
    return {};
}

/// Lets the nodes converge, then starts the time line. What agents report of their start counts
/// from the boot all the same.
void KernelWorld::settle() {
    const bool settled = run_until_converged(settle_limit);
    if (!settled) note("", "not every node had converged when the time line started");
    await_connectivity();
    loop_.set_epoch(EventLoop::monotonic_ns());
}

/// Rows in place are not enough where keys must be negotiated: pings until all answer, or until
/// more patience makes no difference.
void KernelWorld::await_connectivity() {
    constexpr unsigned enough_tries_alike = 8;
    const std::vector<PingEnd> ends = ping_ends();
    std::size_t silent_before = 0;
    for (unsigned alike = 0; alike < enough_tries_alike && loop_.now().ns < settle_limit.ns;) {
        const auto silent = unanswered_pings(ends, 1);
        if (!silent || silent->empty()) return;
        alike = silent->size() == silent_before ? alike + 1 : 0;
        silent_before = silent->size();
        (void)loop_.run_until([] { return false; }, milliseconds(1));
    }
}

/// At the same seeded instants as in the simulation.
void KernelWorld::schedule_boots() {
    const auto spread = static_cast<std::uint64_t>(scenario_->boot_spread.ns);
    for (Agent& agent : agents_) {
        Rng rng = Rng::stream(seed_, name_of(agent.host) + "/boot");
        const auto delay = static_cast<std::int64_t>(rng.below(spread + 1));
        loop_.call_at({delay}, [this, &agent] {
            // One that was killed before its time may be gone, or back and at work already.
            if (agent.process && !agent.begun) begin_agent(agent);
        });
    }
}

void KernelWorld::begin_agent(Agent& agent) {
    agent.begun = true;
    agent.process->begin(loop_.epoch_ns());
}

void KernelWorld::start_faults() {
    faults_ = std::make_unique<KernelFaults>(*this, *scenario_);
    meter_.emplace(loop_, *scenario_, [this] { return fault_counters(); });
    player_.emplace(loop_, *scenario_, *faults_, std::vector<FaultListener*>{this, &*meter_});
    player_->start({});
}

void KernelWorld::fault_began(std::size_t fault, const std::string& what) {
    const FaultSpec& spec = scenario_->faults[fault];
    note("", is_instant(spec.kind) ? what : what + ": begins");
}

void KernelWorld::fault_ended(std::size_t fault, const std::string& what) {
    if (!is_instant(scenario_->faults[fault].kind)) note("", what + ": over");
}

void KernelWorld::fault_refused(std::size_t fault, const Error& why) {
    note("", fmt::format("{}: {}", scenario_->faults[fault].name, why.what));
}

/// Agents count their messages and tell when asked, which takes time: the last answers stand for
/// now. Losses are left to the meter.
FaultCounters KernelWorld::fault_counters() const {
    FaultCounters counters;
    for (const Agent& agent : agents_) counters.store_messages += agent.store_messages;
    return counters;
}

void KernelWorld::keep_progress() {
    options_.progress(std::min(loop_.now().ns, scenario_->duration.ns), scenario_->duration.ns);
    loop_.call_after(progress_step(scenario_->duration), [this] { keep_progress(); });
}

void KernelWorld::note(const std::string& host, const std::string& what) {
    if (timeline_.size() == max_timeline) {
        ++unrecorded_remarks_;
        return;
    }
    timeline_.push_back({loop_.now().ns, host, what});
}

bool KernelWorld::traffic_finished() const {
    return std::ranges::all_of(traffic_, [](const auto& traffic) { return traffic->finished(); });
}

Result<void> KernelWorld::run_to_end() {
    const auto over = [this] {
        return failed_agent() != nullptr || loop_.now().ns >= scenario_->duration.ns;
    };
    (void)loop_.run_until(over, scenario_->duration - (loop_.now() - Instant{}));
    (void)loop_.run_until([this] { return failed_agent() != nullptr || traffic_finished(); },
                          traffic_grace);
    if (const Agent* failed = failed_agent()) {
        return fail(ErrorKind::unavailable,
                    fmt::format("host {}: {}", name_of(failed->host), *failed->failure));
    }
    return {};
}

bool KernelWorld::refresh_statuses() {
    for (Agent& agent : agents_) {
        agent.status.reset();
        if (agent.process && !agent.failure && !agent.stopped) agent.process->ask();
    }
    return loop_.run_until(
        [this] {
            return std::ranges::all_of(agents_, [](const Agent& agent) {
                return agent.status || agent.failure || !agent.process || agent.stopped;
            });
        },
        status_limit);
}

bool KernelWorld::run_until_converged(Duration limit) {
    const Instant deadline = loop_.now() + limit;
    const auto converged = [this] {
        return std::ranges::all_of(
            agents_, [this](const Agent& agent) { return converged_since(agent) >= 0; });
    };
    while (loop_.now() < deadline) {
        (void)refresh_statuses();
        if (converged()) return true;
        // A short pause, during which the loop serves whoever speaks.
        (void)loop_.run_until([] { return false; }, milliseconds(20));
    }
    return false;
}

void KernelWorld::kill_agent(Agent& agent) {
    CHECK(agent.process != nullptr);
    agent.failure = "killed";
    agent.process->kill();
    const auto& status = agent.process->process().status();
    if (status) agent.spent = agent.spent + status->user_time + status->system_time;
    agent.process.reset();
    agent.failure.reset();
}

void KernelWorld::stop_agent(Agent& agent) {
    agent.stopped = true;
    if (agent.process) agent.process->process().signal(SIGSTOP);
}

void KernelWorld::continue_agent(Agent& agent) {
    agent.stopped = false;
    if (agent.process) agent.process->process().signal(SIGCONT);
}

Result<void> KernelWorld::start_again(Agent& agent) {
    agent.begin_when_ready = true;
    return start_agent(agent);
}

Result<void> KernelWorld::restart_agent(Agent& agent) {
    if (auto started = start_agent(agent); !started) return started;
    if (auto ready = await_ready(); !ready) return ready;
    // Its boot may have come while it got ready: told twice, it would start twice.
    if (!agent.begun) begin_agent(agent);
    return {};
}

}  // namespace overlab::real
