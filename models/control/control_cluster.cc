#include "models/control/control_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/store/lease_keys.h"

namespace overlab {
namespace {

constexpr std::size_t no_slot = std::numeric_limits<std::size_t>::max();
constexpr std::size_t decoder_capacity = 1024;

bool needs_clock(const Scenario& scenario, NodeIndex node) {
    for (const FaultSpec& fault : scenario.faults) {
        const bool own_time =
            fault.kind == FaultSpec::Kind::host_pause || fault.kind == FaultSpec::Kind::clock_skew;
        if (own_time && std::ranges::find(fault.hosts, node) != fault.hosts.end()) return true;
    }
    return false;
}

}  // namespace

/// A host, and its agent's lives.
struct ControlCluster::Slot final : NodeObserver {
    Slot(ControlCluster& owner, std::size_t index) : cluster(&owner), number(index) {}

    void state_changed(NodeState) override { cluster->listener_->node_changed(number); }
    void lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) override {
        if (!acquired) acquired = cluster->runtime_.now();
        last_subnet = held.lease->subnet;
        host->set_up_pods(held.lease->subnet.v4, overlay_mtu);
        cluster->listener_->node_changed(number);
        cluster->listener_->rows_changed(number, 0, 0, 0);
    }
    void rows_applied(std::size_t installed, std::size_t withdrawn, std::size_t failed) override {
        if (installed + withdrawn + failed == 0) return;
        if (installed + withdrawn > 0) last_change = cluster->runtime_.now();
        cluster->listener_->rows_changed(number, installed, withdrawn, failed);
    }
    void remark(const std::string& what) override { cluster->listener_->remark(number, what); }

    ControlCluster* cluster;
    std::size_t number;
    std::unique_ptr<ControlHost> host;
    std::unique_ptr<HostClock> clock;  ///< null: the world's time
    std::unique_ptr<ControlAgent> agent;
    Instant boot_at;
    bool wanted = true;  ///< the agent, once it is time to boot and the host is on
    bool ike_wanted = true;
    unsigned lives = 0;  ///< of the agent, so far
    unsigned boots = 0;  ///< of the machine, beyond the first
    std::uint64_t calls_before = 0;
    std::optional<LeaseSubnet> subnet_file;  ///< subnet.env: lost with power
    std::optional<LeaseSubnet> last_subnet;
    std::optional<Instant> acquired;
    Instant last_change;
};

Result<std::unique_ptr<ControlCluster>> ControlCluster::build(const Scenario& scenario,
                                                              std::uint64_t seed) {
    OVERLAB_TRY(ControlUnderlay underlay, ControlUnderlay::build(scenario.underlay));
    return std::unique_ptr<ControlCluster>(new ControlCluster(scenario, seed, std::move(underlay)));
}

ControlCluster::ControlCluster(const Scenario& scenario, std::uint64_t seed,
                               ControlUnderlay underlay)
    : scenario_(&scenario),
      seed_(seed),
      underlay_(std::move(underlay)),
      server_(runtime_),
      decoder_(decoder_capacity),
      ike_(runtime_, underlay_,
           [this](const ControlHost& host) {
               if (const auto slot = host_of_node(host.node())) rows_meddled(*slot);
           }),
      agent_setup_{*scenario_, runtime_, server_, decoder_, ike_},
      slot_of_node_(scenario.underlay.nodes.size(), no_slot),
      standings_(scenario.underlay.nodes.size()) {
    add_hosts();
}

ControlCluster::~ControlCluster() {
    for (const auto& slot : slots_) slot->agent.reset();
}

void ControlCluster::add_hosts() {
    const bool wireguard = std::holds_alternative<WireguardConfig>(scenario_->network.backend);
    const Underlay& underlay = scenario_->underlay;
    std::vector<std::size_t> pods(underlay.nodes.size(), 0);
    for (const PodSpec& pod : scenario_->pods) ++pods[pod.host];
    for (NodeIndex node = 0; node < underlay.nodes.size(); ++node) {
        const UnderlayNode& machine = underlay.nodes[node];
        if (machine.kind != UnderlayNode::Kind::host || !machine.runs_node) continue;
        slot_of_node_[node] = slots_.size();
        slots_.push_back(std::make_unique<Slot>(*this, slots_.size()));
        Slot& slot = *slots_.back();
        const Interface& external = underlay_.topology().host_interface(node);
        slot.host = std::make_unique<ControlHost>(
            ControlHostSetup{.name = machine.name,
                             .node = node,
                             .external = external,
                             .segment = underlay_.segment_of(node).prefix,
                             .gateway = underlay_.topology().gateway_of(node),
                             .mtu = underlay.links[external.link].mtu,
                             .pods = pods[node],
                             .seed = seed_,
                             .wireguard = wireguard});
        if (needs_clock(*scenario_, node)) slot.clock = std::make_unique<HostClock>(runtime_);
    }
}

void ControlCluster::boot(ControlListener& listener) {
    listener_ = &listener;
    server_.set_observer([this] { listener_->store_changed(); });
    write_configuration();
    for (const auto& slot : slots_) {
        const auto spread = static_cast<std::uint64_t>(scenario_->boot_spread.ns);
        Rng rng = Rng::stream(seed_, slot->host->name() + "/boot");
        slot->boot_at = {static_cast<std::int64_t>(rng.below(spread + 1))};
        runtime_.call_at(slot->boot_at, [this, slot = slot.get()] { start_if_wanted(*slot); });
    }
}

void ControlCluster::write_configuration() {
    write_store(config_key(KvLeaseStoreOptions{}.prefix), scenario_->network_json);
}

void ControlCluster::write_store(const std::string& key, const std::string& value) {
    const KvTxn write{.compares = {}, .puts = {{key, value, {}}}, .deletes = {}};
    const auto written =
        server_.apply([&](MvccStore& store, Instant now) { return store.txn(write, now); });
    CHECK(written.has_value());
}

// ---- agents ----

void ControlCluster::start_if_wanted(Slot& slot) {
    const NodeStanding& standing = standings_[slot.host->node()];
    if (slot.agent != nullptr || !slot.wanted || !standing.powered) return;
    if (runtime_.now() < slot.boot_at) return;
    ControlLife life{.seed = seed_,
                     .previous = slot.subnet_file,
                     .clock = slot.clock.get(),
                     .connected = reaches_store(slot.host->node())};
    // A machine that was off has forgotten what it drew; every boot draws anew.
    if (slot.boots > 0) {
        life.seed =
            Rng::stream(seed_, fmt::format("{}/boot-{}", slot.host->name(), slot.boots)).next();
    }
    const unsigned number = ++slot.lives;
    const auto die = [this, &slot, number](const std::string& why) {
        listener_->remark(slot.number, "agent ends: " + why);
        runtime_.call_after({}, [this, &slot, number] {
            if (slot.lives == number) kill_agent(slot.number);
        });
    };
    slot.agent = std::make_unique<ControlAgent>(agent_setup_, *slot.host, life, slot, die);
    if (!slot.ike_wanted) slot.agent->kill_ike();
    listener_->agent_started(slot.number);
    slot.agent->start();
}

void ControlCluster::stop_agent(Slot& slot) {
    if (slot.agent == nullptr) return;
    slot.calls_before += slot.agent->store_calls();
    slot.subnet_file = slot.last_subnet;
    slot.agent.reset();
    listener_->agent_stopped(slot.number);
}

void ControlCluster::start_agent(std::size_t host) {
    slots_[host]->wanted = true;
    start_if_wanted(*slots_[host]);
}

void ControlCluster::kill_agent(std::size_t host) {
    slots_[host]->wanted = false;
    stop_agent(*slots_[host]);
}

void ControlCluster::kill_ike(std::size_t host) {
    slots_[host]->ike_wanted = false;
    if (slots_[host]->agent != nullptr) slots_[host]->agent->kill_ike();
}

void ControlCluster::start_ike(std::size_t host) {
    slots_[host]->ike_wanted = true;
    if (slots_[host]->agent != nullptr) slots_[host]->agent->start_ike();
}

// ---- machines ----

void ControlCluster::refresh_answers(NodeIndex node) {
    underlay_.set_answers(node, standings_[node].powered && !standings_[node].paused);
    reachability_changed();
}

void ControlCluster::power_off(NodeIndex node) {
    standings_[node].powered = false;
    if (const auto number = host_of_node(node)) {
        Slot& slot = *slots_[*number];
        slot.wanted = false;
        slot.ike_wanted = true;  // it comes with the next agent
        stop_agent(slot);
        slot.subnet_file.reset();
        slot.last_subnet.reset();
        if (slot.clock != nullptr) slot.clock->clear();
        slot.host->forget_everything();
        ++slot.boots;
        listener_->rows_changed(*number, 0, 0, 0);
    }
    refresh_answers(node);
}

void ControlCluster::power_on(NodeIndex node) {
    standings_[node].powered = true;
    refresh_answers(node);
}

void ControlCluster::pause(NodeIndex node) {
    standings_[node].paused = true;
    if (const auto number = host_of_node(node)) clock(*number).pause();
    refresh_answers(node);
}

void ControlCluster::resume(NodeIndex node) {
    standings_[node].paused = false;
    refresh_answers(node);
    if (const auto number = host_of_node(node)) clock(*number).resume();
}

HostClock& ControlCluster::clock(std::size_t host) {
    CHECK(slots_[host]->clock != nullptr);
    return *slots_[host]->clock;
}

void ControlCluster::set_address(std::size_t host, Ipv4Address address) {
    slots_[host]->host->set_address(address);
    rows_meddled(host);
}

// ---- store and underlay ----

bool ControlCluster::reaches_store(NodeIndex node) const {
    // A stall is no cut: what the store has sent waits for the host, and it sends nothing.
    const NodeStanding& standing = standings_[node];
    if (standing.paused && standing.powered) return standing.store_reachable;
    return standing.store_reachable && underlay_.reaches(node, scenario_->store.host);
}

void ControlCluster::set_store_reachable(NodeIndex node, bool reachable) {
    standings_[node].store_reachable = reachable;
    reachability_changed();
}

void ControlCluster::restore_store(const MvccStore& held) {
    server_.restore(held);
    listener_->store_replaced();
}

void ControlCluster::reachability_changed() {
    for (const auto& slot : slots_) {
        if (slot->agent != nullptr) {
            slot->agent->set_connected(reaches_store(slot->host->node()));
        }
    }
    ike_.reachability_changed();
    listener_->underlay_changed();
}

void ControlCluster::rows_meddled(std::size_t host) { listener_->rows_changed(host, 0, 0, 0); }

// ---- what can be seen ----

const ControlHost& ControlCluster::host(std::size_t host) const { return *slots_[host]->host; }
ControlHost& ControlCluster::host(std::size_t host) { return *slots_[host]->host; }
const ControlAgent* ControlCluster::agent(std::size_t host) const {
    return slots_[host]->agent.get();
}
std::vector<Ipv4Address> ControlCluster::pods(std::size_t host) const {
    return slots_[host]->host->pods();
}

std::optional<std::size_t> ControlCluster::host_of_node(NodeIndex node) const {
    if (slot_of_node_[node] == no_slot) return std::nullopt;
    return slot_of_node_[node];
}

std::uint64_t ControlCluster::store_calls() const {
    std::uint64_t calls = 0;
    for (const auto& slot : slots_) {
        calls += slot->calls_before;
        if (slot->agent != nullptr) calls += slot->agent->store_calls();
    }
    return calls;
}

std::optional<Instant> ControlCluster::lease_acquired(std::size_t host) const {
    return slots_[host]->acquired;
}

Instant ControlCluster::last_change(std::size_t host) const { return slots_[host]->last_change; }

const std::optional<LeaseSubnet>& ControlCluster::last_subnet(std::size_t host) const {
    return slots_[host]->last_subnet;
}

MonitoredHost ControlCluster::monitored(std::size_t host) const {
    const Slot& slot = *slots_[host];
    const NodeIndex node = slot.host->node();
    return {
        .underlay_node = node,
        .address = slot.host->address(),
        .powered = standings_[node].powered,
        .reaches_store = !standings_[node].paused && server_.has_leader() && reaches_store(node),
        .node = slot.agent == nullptr ? nullptr : &slot.agent->node(),
        .tables = &slot.host->tables(),
        .facts = slot.host->facts()};
}

Reach ControlCluster::true_reach(std::size_t host, Ipv4Address address) const {
    return underlay_.reach(slots_[host]->host->node(), address);
}

PacketWalk ControlCluster::packet_walk() const {
    std::vector<WalkHost> hosts;
    hosts.reserve(slots_.size());
    const bool wireguard = std::holds_alternative<WireguardConfig>(scenario_->network.backend);
    for (const auto& slot : slots_) {
        hosts.push_back({.name = slot->host->name(),
                         .underlay_address = slot->host->address(),
                         .tables = &slot->host->tables(),
                         .pods = slot->host->pods()});
        if (wireguard) hosts.back().wireguard_key = slot->host->wireguard_key();
    }
    return {std::move(hosts),
            [this](const std::string& from, const std::string& to,
                   std::uint64_t flow_hash) -> std::optional<UnderlayPath> {
                const auto start = underlay_.index_of(from);
                const auto end = underlay_.index_of(to);
                if (!start || !end) return std::nullopt;
                return underlay_.path(*start, *end, flow_hash);
            }};
}

}  // namespace overlab
