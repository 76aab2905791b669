#include "models/crosscheck/cross_cluster.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/lease/lease.h"
#include "models/node/overlay_node.h"
#include "models/store/kv_lease_store.h"
#include "models/store/lease_keys.h"

namespace overlab {
namespace {

// Short, so that expiry and audits cost few events. A step lasts longer than a first retry, shorter
// than the audit: rows that somebody else changed are seen changed.
constexpr Duration lease_ttl = minutes(1);
constexpr Duration renew_margin = seconds(30);
constexpr Duration audit_interval = seconds(40);
constexpr Duration step_time = seconds(2);
constexpr Duration wait_time = audit_interval + step_time;
constexpr Duration expire_time = lease_ttl + step_time;
constexpr Duration store_latency = milliseconds(2);
constexpr std::size_t max_remarks = 20;

KvLeaseStoreOptions lease_options(std::uint64_t seed, const std::string& host) {
    return {.lease_ttl = lease_ttl, .seed = seed, .host = host};
}

}  // namespace

/// One life of an agent, with its own connection to the store.
class CrossCluster::Agent final : private NodeObserver {
   public:
    Agent(CrossCluster& cluster, Host& host);

    /// Gives the lease back; the agent goes on until it is destroyed.
    void release();
    void set_connected(bool connected) { kv_.set_connected(connected); }
    [[nodiscard]] const OverlayNode& node() const { return node_; }

   private:
    void lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) override;
    void remark(const std::string& what) override;

    CrossCluster* cluster_;
    Host* host_;
    LocalKvStore kv_;
    KvLeaseStore leases_;
    OverlayNode node_;
};

struct CrossCluster::Host {
    std::string name;
    CrossPorts ports;
    std::unique_ptr<Agent> agent;  ///< null: none runs
    std::optional<CrossPod> pod;
    std::optional<LeaseSubnet> last_subnet;  ///< as subnet.env keeps it
    std::vector<std::string> remarks;
};

CrossCluster::Agent::Agent(CrossCluster& cluster, Host& host)
    : cluster_(&cluster),
      host_(&host),
      kv_(cluster.runtime_, cluster.server_, store_latency),
      leases_(cluster.runtime_, kv_, cluster.decoder_, lease_options(cluster.seed_, host.name)),
      node_(cluster.runtime_, *host.ports.stack, leases_, host.ports.ike, *this,
            {.seed = cluster.seed_,
             .renew_margin = renew_margin,
             .audit_interval = audit_interval,
             .previous_subnet = host.last_subnet}) {
    node_.start();
}

void CrossCluster::Agent::release() {
    const std::optional<HeldLease> held = node_.held();
    node_.stop();
    if (held) leases_.release(*held, [](const Result<void>&) {});
}

void CrossCluster::Agent::lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) {
    const Ipv4Prefix subnet = held.lease->subnet.v4;
    host_->last_subnet = held.lease->subnet;
    const CrossPod pod{subnet, overlay_mtu};
    if (host_->pod == pod) return;
    host_->pod = pod;
    if (const auto set = host_->ports.set_pod(subnet, overlay_mtu); !set && !cluster_->problem_) {
        cluster_->problem_ = set.error();
    }
}

void CrossCluster::Agent::remark(const std::string& what) {
    if (host_->remarks.size() == max_remarks) host_->remarks.erase(host_->remarks.begin());
    host_->remarks.push_back(what);
}

CrossCluster::CrossCluster(const History& history, std::vector<CrossPorts> ports)
    : seed_(history.seed), server_(runtime_), decoder_(1024) {
    CHECK(ports.size() == history.layout.hosts.size());
    for (std::size_t i = 0; i < ports.size(); ++i) {
        hosts_.push_back(std::make_unique<Host>());
        hosts_.back()->name = history.layout.hosts[i].name;
        hosts_.back()->ports = std::move(ports[i]);
    }
    const KvLeaseStoreOptions defaults;
    const KvTxn write{.compares = {},
                      .puts = {{config_key(defaults.prefix), history.network_json, {}}},
                      .deletes = {}};
    const auto written =
        server_.apply([&](MvccStore& store, Instant now) { return store.txn(write, now); });
    CHECK(written.has_value());
}

CrossCluster::~CrossCluster() = default;

Result<void> CrossCluster::apply(const HistoryStep& step) {
    using Kind = HistoryStep::Kind;
    Host& host = *hosts_[step.host];
    switch (step.kind) {
        case Kind::start:
            start(host);
            break;
        case Kind::stop:
        case Kind::kill:
            stop(host, step.kind == Kind::stop);
            break;
        case Kind::rewrite:
            rewrite(host, step.value);
            break;
        case Kind::foreign:
        case Kind::malformed:
            put(step.key, step.value);
            break;
        case Kind::remove:
            remove(step.key);
            break;
        case Kind::compact:
            compact(step);
            break;
        case Kind::wait:
            pass(wait_time);
            break;
        case Kind::expire:
            pass(expire_time);
            break;
        case Kind::meddle_delete:
        case Kind::meddle_change:
            return {};
    }
    pass(step_time);
    if (problem_) return std::unexpected(*problem_);
    return {};
}

void CrossCluster::start(Host& host) {
    if (host.agent == nullptr) host.agent = std::make_unique<Agent>(*this, host);
}

void CrossCluster::stop(Host& host, bool release) {
    if (host.agent == nullptr) return;
    if (release) {
        host.agent->release();
        pass(milliseconds(100));
    }
    host.agent.reset();
}

// ---- somebody writes to the store ----

void CrossCluster::put(const std::string& key, const std::string& value) {
    const std::string prefix = subnets_prefix(KvLeaseStoreOptions{}.prefix);
    const KvTxn write{.compares = {}, .puts = {{prefix + key, value, {}}}, .deletes = {}};
    (void)server_.apply([&](MvccStore& store, Instant now) { return store.txn(write, now); });
}

void CrossCluster::remove(const std::string& key) {
    const std::string prefix = subnets_prefix(KvLeaseStoreOptions{}.prefix);
    const KvTxn write{.compares = {}, .puts = {}, .deletes = {{prefix + key}}};
    (void)server_.apply([&](MvccStore& store, Instant now) { return store.txn(write, now); });
}

/// Over the lease that the host has or had; its etcd lease goes with the old value.
void CrossCluster::rewrite(const Host& host, const std::string& value) {
    if (host.last_subnet) put(lease_key(*host.last_subnet), value);
}

/// Agents are cut off while the store moves on and forgets how it got there.
void CrossCluster::compact(const HistoryStep& step) {
    const auto connect_all = [this](bool connected) {
        for (const auto& host : hosts_) {
            if (host->agent != nullptr) host->agent->set_connected(connected);
        }
    };
    connect_all(false);
    put(step.key, step.value);
    put("scratch", "");
    remove("scratch");
    (void)server_.apply([](MvccStore& store, Instant) { return store.compact(store.revision()); });
    pass(milliseconds(200));
    connect_all(true);
    pass(seconds(10));  // longer than the longest pause of a watch that found nobody
}

void CrossCluster::pass(Duration time) {
    const bool passed = runtime_.run_for(time);
    CHECK(passed);
}

// ---- what came of it ----

const std::optional<CrossPod>& CrossCluster::pod(std::size_t host) const {
    return hosts_[host]->pod;
}

std::string CrossCluster::agent_text(std::size_t host) const {
    const Agent* agent = hosts_[host]->agent.get();
    if (agent == nullptr) return "no agent";
    const OverlayNode& node = agent->node();
    return fmt::format("{} {}{}", to_string(node.state()),
                       node.held() ? node.held()->lease->subnet.to_string() : "without a lease",
                       node.converged() ? " converged" : "");
}

const std::vector<std::string>& CrossCluster::remarks(std::size_t host) const {
    return hosts_[host]->remarks;
}

}  // namespace overlab
