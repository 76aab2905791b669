#include "models/control/control_agent.h"

#include <utility>
#include <variant>

namespace overlab {
namespace {

// One way. What etcd takes for a write is many times that, but nobody waits in a queue here.
constexpr Duration store_latency = microseconds(500);

}  // namespace

ControlAgent::ControlAgent(const ControlAgentSetup& setup, ControlHost& host,
                           const ControlLife& life, NodeObserver& observer,
                           std::function<void(const std::string& why)> die)
    : kv_(setup.world, setup.server, store_latency) {
    Runtime& runtime = life.clock != nullptr ? static_cast<Runtime&>(*life.clock) : setup.world;
    KvStore* kv = &kv_;
    if (life.clock != nullptr) kv = &paused_kv_.emplace(*life.clock, kv_);
    kv_.set_connected(life.connected);
    if (std::holds_alternative<IpsecConfig>(setup.scenario.network.backend)) {
        ike_ = std::make_unique<IkeMesh::Daemon>(setup.ike, host);
    }
    KvLeaseStoreOptions lease_options{
        .lease_ttl = setup.scenario.store.lease_ttl, .seed = life.seed, .host = host.name()};
    NodeOptions node_options{.seed = life.seed,
                             .audit_interval = setup.scenario.sim.audit_interval,
                             .previous_subnet = life.previous};
    HostStack* stack = &host;
    IkeDaemon* ike = ike_.get();
    if (!setup.scenario.defects.empty()) {
        defects_ = std::make_unique<HostDefects>(
            setup.scenario.defects,
            HostDefects::World{
                .runtime = &runtime, .die = std::move(die), .memory = &host.defect_memory()});
        kv = &defects_->around(*kv);
        defects_->adjust(lease_options);
        defects_->adjust(node_options);
        stack = &defects_->around(*stack);
        ike = defects_->around(ike);
    }
    leases_ = std::make_unique<KvLeaseStore>(runtime, *kv, setup.decoder, lease_options);
    LeaseStore* leases = leases_.get();
    if (defects_ != nullptr) leases = &defects_->around(*leases, *kv);
    node_ = std::make_unique<OverlayNode>(runtime, *stack, *leases, ike, observer, node_options);
}

/// Backwards: each part may use those before it. The daemon dies last, when nobody asks it any
/// more.
ControlAgent::~ControlAgent() {
    node_.reset();
    leases_.reset();
    defects_.reset();
}

void ControlAgent::kill_ike() {
    if (ike_ != nullptr) ike_->kill();
}

void ControlAgent::start_ike() {
    if (ike_ != nullptr) ike_->start();
}

}  // namespace overlab
