#include "models/invariant/invariant_monitor.h"

#include <utility>

#include "models/invariant/belief_invariants.h"
#include "models/invariant/healed_invariants.h"
#include "models/invariant/live_leases.h"
#include "models/invariant/quiet_time.h"
#include "models/invariant/store_invariants.h"
#include "models/invariant/violation_log.h"
#include "models/invariant/walk_invariants.h"
#include "models/store/kv_lease_store.h"

namespace overlab {
namespace {

// A lease that ended a moment ago is still news to those who watch.
constexpr Duration news_travel = seconds(5);

}  // namespace

class InvariantMonitor::Impl final : public LiveLeases::Listener {
   public:
    Impl(Runtime& runtime, const Scenario& scenario, const MonitoredCluster& cluster,
         const InvariantOptions& options);

    void store_changed() { leases_.follow(cluster_->store(), *this); }
    void store_replaced();
    void agent_started(std::size_t host) { kept_.agent_started(host); }
    void agent_stopped(std::size_t host);
    void node_changed(std::size_t host);
    void fault_event();
    void finish();

    void lease_put(const std::string& key, const LiveLease* before, const LiveLease& now) override;
    void lease_gone(const std::string& key, const LiveLease& before) override;

    ViolationLog log;

   private:
    void check_healed();
    void note_change() { last_change_ = runtime_->now(); }

    Runtime* runtime_;
    const MonitoredCluster* cluster_;
    Duration lease_ttl_;
    Duration bound_;
    QuietTime quiet_;
    LiveLeases leases_;
    StoreInvariants store_;
    BeliefOverlap beliefs_;
    SubnetKept kept_;
    ForwardingLoops loops_;
    HealedInvariants healed_;
    Instant last_change_;  ///< of leases and of what nodes hold
    Timer healed_timer_, leak_timer_;
};

InvariantMonitor::Impl::Impl(Runtime& runtime, const Scenario& scenario,
                             const MonitoredCluster& cluster, const InvariantOptions& options)
    : runtime_(&runtime),
      cluster_(&cluster),
      lease_ttl_(scenario.store.lease_ttl),
      bound_(options.bound.value_or(converge_bound(scenario))),
      quiet_(quiet_time(scenario)),
      leases_(KvLeaseStoreOptions{}.prefix, scenario.network_json, scenario.network),
      store_(runtime, scenario, cluster, leases_, options.belief_window, log),
      beliefs_(runtime, cluster, options.belief_window, log),
      kept_(runtime, cluster, leases_, log),
      loops_(runtime, scenario, cluster, options.belief_window, log),
      healed_(runtime, scenario, cluster, leases_, options, quiet_.gone, loops_, log),
      healed_timer_(runtime),
      leak_timer_(runtime) {
    leases_.reread(cluster.store());
    store_.store_replaced();
    if (!quiet_.from) return;
    const Duration check = *quiet_.from + bound_;
    if (check <= scenario.duration) {
        healed_timer_.start(Instant{} + check - runtime.now(), [this] { check_healed(); });
    }
    const Duration leak_check = check + lease_ttl_;
    if (leak_check <= scenario.duration) {
        leak_timer_.start(Instant{} + leak_check - runtime.now(), [this] { store_.check_leaks(); });
    }
}

void InvariantMonitor::Impl::store_replaced() {
    note_change();
    leases_.reread(cluster_->store());
    store_.store_replaced();
    kept_.store_replaced();
}

void InvariantMonitor::Impl::agent_stopped(std::size_t host) {
    kept_.agent_stopped(host);
    node_changed(host);
}

void InvariantMonitor::Impl::node_changed(std::size_t host) {
    note_change();
    beliefs_.node_changed(host);
    kept_.node_changed(host);
}

void InvariantMonitor::Impl::fault_event() {
    store_.fault_event();
    beliefs_.fault_event();
    loops_.fault_event();
}

void InvariantMonitor::Impl::lease_put(const std::string& key, const LiveLease* before,
                                       const LiveLease& now) {
    note_change();
    store_.lease_put(key, before, now);
    kept_.lease_put(key, before, now);
}

void InvariantMonitor::Impl::lease_gone(const std::string& key, const LiveLease& before) {
    note_change();
    store_.lease_gone(key, before);
    kept_.lease_gone(key);
}

void InvariantMonitor::Impl::check_healed() {
    const Duration since = runtime_->now() - last_change_;
    if (since < news_travel) {
        healed_timer_.start(news_travel - since, [this] { check_healed(); });
        return;
    }
    healed_.check();
}

void InvariantMonitor::Impl::finish() {
    // A timer of the run's last instant may not have had its turn.
    if (healed_timer_.armed() && quiet_.from && runtime_->now() - last_change_ >= news_travel &&
        runtime_->now() >= Instant{} + *quiet_.from + bound_) {
        healed_timer_.stop();
        healed_.check();
    }
    healed_timer_.stop();
    leak_timer_.stop();
}

// ---- InvariantMonitor ----

InvariantMonitor::InvariantMonitor(Runtime& runtime, const Scenario& scenario,
                                   const MonitoredCluster& cluster, InvariantOptions options)
    : impl_(std::make_unique<Impl>(runtime, scenario, cluster, options)) {}

InvariantMonitor::~InvariantMonitor() = default;

std::string ends_before_bound(const Scenario& scenario, const InvariantOptions& options) {
    const QuietTime quiet = quiet_time(scenario);
    if (!quiet.from) {
        return "convergence was not checked: a fault lasts to the end of the run";
    }
    const Duration bound = options.bound.value_or(converge_bound(scenario));
    if (*quiet.from + bound <= scenario.duration) return {};
    return "convergence was not checked: the run ends before " +
           std::to_string((*quiet.from + bound).ns / seconds(1).ns) +
           " s, when a healed cluster must have converged";
}

void InvariantMonitor::store_changed() { impl_->store_changed(); }
void InvariantMonitor::store_replaced() { impl_->store_replaced(); }
void InvariantMonitor::agent_started(std::size_t host) { impl_->agent_started(host); }
void InvariantMonitor::agent_stopped(std::size_t host) { impl_->agent_stopped(host); }
void InvariantMonitor::node_changed(std::size_t host) { impl_->node_changed(host); }
void InvariantMonitor::rows_changed(std::size_t /*host*/) {}
void InvariantMonitor::fault_began(std::size_t /*fault*/, const std::string& /*what*/) {
    impl_->fault_event();
}
void InvariantMonitor::fault_ended(std::size_t /*fault*/, const std::string& /*what*/) {
    impl_->fault_event();
}
void InvariantMonitor::finish() { impl_->finish(); }
void InvariantMonitor::add(ViolationReport violation) { impl_->log.add(std::move(violation)); }
void InvariantMonitor::note_checked(std::string_view invariant) {
    impl_->log.note_checked(invariant);
}
const std::vector<ViolationReport>& InvariantMonitor::violations() const {
    return impl_->log.violations();
}
std::vector<std::string> InvariantMonitor::checked() const { return impl_->log.checked(); }

}  // namespace overlab
