#include "models/control/control_run.h"

#include <fmt/format.h>

#include <utility>

namespace overlab {
namespace {

constexpr std::size_t max_timeline = 2000;

}  // namespace

enum class ControlRun::Decision : std::uint8_t {
    agent_started,
    agent_stopped,
    node_changed,
    rows_changed,
    store_written,
    store_replaced,
};

Result<std::unique_ptr<ControlRun>> ControlRun::build(const Scenario& scenario,
                                                      std::uint64_t seed) {
    OVERLAB_TRY(auto cluster, ControlCluster::build(scenario, seed));
    return std::unique_ptr<ControlRun>(new ControlRun(scenario, seed, std::move(cluster)));
}

ControlRun::ControlRun(const Scenario& scenario, std::uint64_t seed,
                       std::unique_ptr<ControlCluster> cluster)
    : scenario_(&scenario),
      seed_(seed),
      cluster_(std::move(cluster)),
      faults_(scenario, seed, *cluster_),
      monitor_(cluster_->runtime(), scenario, *cluster_),
      player_(cluster_->runtime(), scenario, faults_, {this, &monitor_}) {
    cluster_->boot(*this);
    player_.start({});
}

void ControlRun::run(bool until_violation) {
    const Instant end{scenario_->duration.ns};
    LeanRuntime& runtime = cluster_->runtime();
    const bool complete =
        until_violation ? runtime.run_until(end, [this] { return !monitor_.violations().empty(); })
                        : runtime.run_until(end, [] { return false; });
    events_ = runtime.steps();
    if (complete) monitor_.finish();
}

// ---- what happens, as it happens ----

void ControlRun::decide(Decision what, std::uint64_t host) {
    digest_.add(cluster_->runtime().now().ns);
    digest_.add(static_cast<std::uint64_t>(what) << 32 | host);
}

void ControlRun::store_changed() {
    const MvccStore& store = cluster_->store();
    if (store.revision() > seen_) {
        decide(Decision::store_written, 0);
        const auto log = store.log_since(seen_ + 1);
        if (log) {
            for (const KvEvent& event : *log) {
                digest_.add(static_cast<std::uint64_t>(event.type));
                digest_.add(event.entry->mod_revision);
                digest_.add(event.entry->key);
                digest_.add(event.entry->value);
            }
        }
        seen_ = store.revision();
    }
    monitor_.store_changed();
}

void ControlRun::store_replaced() {
    seen_ = cluster_->store().revision();
    decide(Decision::store_replaced, 0);
    digest_.add(seen_);
    monitor_.store_replaced();
}

void ControlRun::agent_started(std::size_t host) {
    decide(Decision::agent_started, host);
    monitor_.agent_started(host);
}

void ControlRun::agent_stopped(std::size_t host) {
    decide(Decision::agent_stopped, host);
    monitor_.agent_stopped(host);
}

void ControlRun::node_changed(std::size_t host) {
    decide(Decision::node_changed, host);
    if (const ControlAgent* agent = cluster_->agent(host)) {
        digest_.add(static_cast<std::uint64_t>(agent->node().state()));
        if (const auto& held = agent->node().held()) {
            digest_.add(std::uint64_t{held->lease->subnet.v4.network.bits});
        }
    }
    monitor_.node_changed(host);
}

void ControlRun::rows_changed(std::size_t host, std::size_t installed, std::size_t withdrawn,
                              std::size_t failed) {
    decide(Decision::rows_changed, host);
    digest_.add(std::uint64_t{installed} << 40 | std::uint64_t{withdrawn} << 20 | failed);
    monitor_.rows_changed(host);
}

void ControlRun::remark(std::size_t host, const std::string& what) {
    note(cluster_->host(host).name(), what);
}

void ControlRun::fault_began(std::size_t fault, const std::string& what) {
    note("", fmt::format("{}: {}", scenario_->faults[fault].name, what));
}

void ControlRun::fault_ended(std::size_t fault, const std::string& what) {
    if (is_instant(scenario_->faults[fault].kind)) return;
    note("", fmt::format("{} over: {}", scenario_->faults[fault].name, what));
}

void ControlRun::fault_refused(std::size_t fault, const Error& why) {
    note("", fmt::format("{} refused: {}", scenario_->faults[fault].name, why.what));
}

void ControlRun::note(std::string_view host, std::string what) {
    if (timeline_.size() == max_timeline) {
        ++unrecorded_;
        return;
    }
    timeline_.push_back({cluster_->runtime().now().ns, std::string(host), std::move(what)});
}

/// With what the hosts hold now, row by row.
std::uint64_t ControlRun::digest() const {
    ControlDigest whole = digest_;
    for (std::size_t host = 0; host < cluster_->host_count(); ++host) {
        whole.add(cluster_->host(host).tables().dump(true).to_string());
    }
    whole.add(events_);
    return whole.value();
}

}  // namespace overlab
