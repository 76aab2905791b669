#include "models/node/overlay_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "models/base/check.h"
#include "models/node/callback_guard.h"
#include "models/node/ike_keeper.h"
#include "models/node/lease_keeper.h"
#include "models/node/peer_set.h"
#include "models/node/reconciler.h"

namespace overlab {
namespace {

/// True if the device that is there can serve as `wanted` once its MTU is set: then its MAC, which
/// the peers have been told, is worth keeping.
bool is_compatible(const LinkRow& present, LinkRow wanted) {
    wanted.mac = present.mac;
    wanted.mtu = present.mtu;
    return present.mac.bits != 0 && present == wanted;
}

const LinkRow* device_of(const Plan& plan) {
    for (const Row& row : plan.rows) {
        if (const LinkRow* link = std::get_if<LinkRow>(&row)) return link;
    }
    return nullptr;
}

}  // namespace

std::string_view to_string(NodeState state) {
    switch (state) {
        case NodeState::waiting_for_config:
            return "waiting_for_config";
        case NodeState::acquiring:
            return "acquiring";
        case NodeState::running:
            return "running";
        case NodeState::stopped:
            return "stopped";
    }
    CHECK(false);
    return {};
}

class OverlayNode::Impl {
   public:
    Impl(Runtime& runtime, HostStack& stack, LeaseStore& leases, IkeDaemon* ike,
         NodeObserver& observer, NodeOptions options);

    void start();
    void stop();

    // What the node is doing. `state` is waiting_for_config before start(), too.
    NodeState state = NodeState::waiting_for_config;
    LeaseKeeper keeper;
    std::optional<PeerSet> peers;

    [[nodiscard]] std::uint32_t overlay_mtu() const;
    [[nodiscard]] bool converged() const;
    [[nodiscard]] ForwardingState plan_all() const;

   private:
    void enter(NodeState next);
    void poll_config();
    void got_config(const Result<std::string>& text);
    void use_config(const std::string& text);
    void complain_once(std::string complaint);
    [[nodiscard]] MacAddress choose_vtep_mac();
    [[nodiscard]] std::vector<Row> local_rows() const;
    void acquire(std::optional<LeaseSubnet> previous);
    void acquired(const HeldLease& held);
    void lost();
    void withdraw_subnet();
    void updated(const LeaseUpdate& update);
    void apply_snapshot(const LeaseUpdate& update);
    void apply_changes(const LeaseUpdate& update);
    void watch_own_lease(const LeaseUpdate& update);
    void seen_own(const Lease& lease);
    void apply_everything(IkeKeeper::Reload reload);
    void arm_audit();
    void audit();
    void remark_all(const std::vector<std::string>& remarks);
    [[nodiscard]] Reach reach(Ipv4Address address) const;

    HostStack* stack_;
    LeaseStore* leases_;
    IkeDaemon* ike_;
    NodeObserver* observer_;
    NodeOptions options_;

    NetworkConfig network_;
    std::unique_ptr<Backend> backend_;
    LocalNode local_;
    bool started_ = false;
    bool have_subnet_ = false;  ///< local_.subnet may be used in a plan
    bool watching_ = false;
    bool have_snapshot_ = false;  ///< the plan knows all peers
    std::string complaint_;       ///< last one about the configuration
    Reconciler reconciler_;
    IkeKeeper ike_keeper_;
    Timer config_timer_;
    Timer audit_timer_;
    CallbackGuard guard_;
};

OverlayNode::Impl::Impl(Runtime& runtime, HostStack& stack, LeaseStore& leases, IkeDaemon* ike,
                        NodeObserver& observer, NodeOptions options)
    : keeper(runtime, leases, observer, options,
             {.acquired = [this](const HeldLease& held) { acquired(held); },
              .lost = [this] { lost(); }}),
      stack_(&stack),
      leases_(&leases),
      ike_(ike),
      observer_(&observer),
      options_(options),
      reconciler_(runtime, stack, observer, options_, [this] { return plan_all(); }),
      ike_keeper_(runtime, ike, observer, options_,
                  [this] {
                      return have_subnet_ && peers ? peers->connections()
                                                   : std::vector<IkeConnection>{};
                  }),
      config_timer_(runtime),
      audit_timer_(runtime) {}

void OverlayNode::Impl::start() {
    CHECK(!started_);
    started_ = true;
    observer_->state_changed(state);
    poll_config();
}

void OverlayNode::Impl::stop() {
    if (state == NodeState::stopped) return;
    guard_.revoke();
    keeper.stop();
    reconciler_.stop();
    ike_keeper_.stop();
    config_timer_.stop();
    audit_timer_.stop();
    enter(NodeState::stopped);
}

void OverlayNode::Impl::enter(NodeState next) {
    state = next;
    observer_->state_changed(next);
}

// ---- waiting for a configuration ----

void OverlayNode::Impl::poll_config() {
    leases_->config(guard_.wrap([this](const Result<std::string>& text) { got_config(text); }));
}

void OverlayNode::Impl::got_config(const Result<std::string>& text) {
    if (text) {
        use_config(*text);
    } else {
        complain_once(fmt::format("no network configuration yet: {}", text.error().what));
    }
    if (state == NodeState::waiting_for_config) {
        config_timer_.start(options_.config_poll, [this] { poll_config(); });
    }
}

void OverlayNode::Impl::complain_once(std::string complaint) {
    if (complaint == complaint_) return;
    complaint_ = std::move(complaint);
    observer_->remark(complaint_);
}

void OverlayNode::Impl::use_config(const std::string& text) {
    const ParsedNetworkConfig parsed = parse_network_config(text);
    if (!parsed.problems.empty()) {
        const ConfigProblem& first = parsed.problems.front();
        complain_once(fmt::format("network configuration: {}: {}", first.pointer, first.message));
        return;
    }
    Result<std::unique_ptr<Backend>> backend = make_backend(parsed.config);
    if (!backend) {
        complain_once(backend.error().what);
        return;
    }
    const HostFacts host = stack_->facts();
    if (Plan plan = (*backend)->plan_local({.host = host}); !plan.unsupported.empty()) {
        complain_once(std::move(plan.unsupported));
        return;
    }
    for (const ConfigProblem& warning : parsed.warnings) {
        observer_->remark(
            fmt::format("network configuration: {}: {}", warning.pointer, warning.message));
    }
    network_ = parsed.config;
    backend_ = std::move(*backend);
    if (network_.enable_ipv6) {
        observer_->remark("only the IPv4 parts of leases are planned, not the IPv6 ones");
    }
    local_.host = host;
    if (backend_->wants_vtep_mac()) local_.vtep_mac = choose_vtep_mac();
    peers.emplace(*backend_, ike_ != nullptr,
                  [this](Ipv4Address address) { return reach(address); });
    acquire(options_.previous_subnet);
}

MacAddress OverlayNode::Impl::choose_vtep_mac() {
    // An agent that starts again finds its device and keeps the MAC, so that no peer has to change
    // a row.
    const Plan plan = backend_->plan_local(local_);
    const LinkRow* wanted = device_of(plan);
    CHECK(wanted != nullptr);
    if (const Result<ForwardingState> present = stack_->dump()) {
        const Row* row = present->find(*wanted);
        const LinkRow* device = row != nullptr ? std::get_if<LinkRow>(row) : nullptr;
        if (device != nullptr && is_compatible(*device, *wanted)) return device->mac;
    }
    Rng rng = Rng::stream(options_.seed, local_.host.name + "/vtep-mac");
    return draw_vtep_mac(rng);
}

// ---- own lease ----

void OverlayNode::Impl::acquire(std::optional<LeaseSubnet> previous) {
    enter(NodeState::acquiring);
    keeper.acquire(network_, backend_->attributes(local_.host, local_.vtep_mac), previous);
}

void OverlayNode::Impl::acquired(const HeldLease& held) {
    local_.subnet = held.lease->subnet;
    have_subnet_ = true;
    enter(NodeState::running);
    observer_->lease_acquired(held, overlay_mtu());
    remark_all(peers->set_local(local_));
    if (have_snapshot_) {
        apply_everything(IkeKeeper::Reload::missing);
        arm_audit();
    } else {
        reconciler_.ensure(local_rows());
    }
    if (!std::exchange(watching_, true)) {
        leases_->watch(guard_.wrap([this](const LeaseUpdate& update) { updated(update); }));
    }
}

void OverlayNode::Impl::lost() {
    // The rows stay while a new lease is asked for: most often it is the same subnet again. Only
    // when the watch says that somebody else has it, they go at once.
    const LeasePtr owner = peers->find(local_.subnet);
    if (owner != nullptr && owner->attributes.public_ip != local_.host.external_address) {
        withdraw_subnet();
    }
    acquire(local_.subnet);
}

void OverlayNode::Impl::withdraw_subnet() {
    have_subnet_ = false;
    if (have_snapshot_) apply_everything(IkeKeeper::Reload::missing);
}

void OverlayNode::Impl::watch_own_lease(const LeaseUpdate& update) {
    if (!have_subnet_) return;
    bool own_is_there = !update.snapshot;
    for (const LeasePtr& lease : update.added) {
        if (lease->subnet != local_.subnet) continue;
        own_is_there = true;
        seen_own(*lease);
    }
    for (const LeaseSubnet& subnet : update.removed) {
        if (subnet == local_.subnet) own_is_there = false;
    }
    if (!own_is_there) keeper.doubt();
}

void OverlayNode::Impl::seen_own(const Lease& lease) {
    if (lease.attributes == backend_->attributes(local_.host, local_.vtep_mac)) return;
    if (keeper.held()) {
        keeper.doubt();
    } else if (lease.attributes.public_ip != local_.host.external_address) {
        withdraw_subnet();
    }
}

// ---- peers ----

void OverlayNode::Impl::updated(const LeaseUpdate& update) {
    for (const std::string& entry : update.malformed) {
        observer_->remark(fmt::format("ignored in the store: {}", entry));
    }
    if (update.snapshot) {
        apply_snapshot(update);
    } else {
        apply_changes(update);
    }
    watch_own_lease(update);
}

void OverlayNode::Impl::apply_snapshot(const LeaseUpdate& update) {
    remark_all(peers->replace_all(update.added));
    const bool first = !std::exchange(have_snapshot_, true);
    apply_everything(first ? IkeKeeper::Reload::all : IkeKeeper::Reload::missing);
    arm_audit();
}

void OverlayNode::Impl::apply_changes(const LeaseUpdate& update) {
    PeerDelta sum;
    const auto add = [&](PeerDelta delta) {
        std::ranges::move(delta.rows, std::back_inserter(sum.rows));
        std::ranges::move(delta.unload, std::back_inserter(sum.unload));
        std::ranges::move(delta.load, std::back_inserter(sum.load));
        remark_all(delta.remarks);
    };
    // Removals first: a subnet that was given up and taken again within one update must stay.
    for (const LeaseSubnet& subnet : update.removed) add(peers->remove(subnet));
    for (const LeasePtr& lease : update.added) add(peers->put(lease));
    if (!have_subnet_ || !have_snapshot_) return;
    reconciler_.apply(sum.rows);
    ike_keeper_.apply(sum.unload, sum.load);
}

void OverlayNode::Impl::remark_all(const std::vector<std::string>& remarks) {
    for (const std::string& remark : remarks) observer_->remark(remark);
}

Reach OverlayNode::Impl::reach(Ipv4Address address) const {
    const Result<bool> on_link = stack_->on_link(address);
    if (!on_link) return Reach::unknown;
    return *on_link ? Reach::on_link : Reach::routed;
}

// ---- the host ----

/// What the host needs whether or not there are peers.
std::vector<Row> OverlayNode::Impl::local_rows() const {
    std::vector<Row> rows = backend_->plan_local(local_).rows;
    std::ranges::move(plan_filter(options_.filter, network_.network, local_.subnet.v4),
                      std::back_inserter(rows));
    return rows;
}

ForwardingState OverlayNode::Impl::plan_all() const {
    if (!have_subnet_) return {};
    std::vector<Row> rows = local_rows();
    rows.reserve(rows.size() + 3 * peers->size());  // no backend needs more a peer
    peers->append_rows(rows);
    return ForwardingState::of(std::move(rows));
}

void OverlayNode::Impl::apply_everything(IkeKeeper::Reload reload) {
    reconciler_.reconcile();
    ike_keeper_.reconcile(local_.host.external_address, reload);
}

void OverlayNode::Impl::arm_audit() {
    if (options_.audit_interval <= Duration{}) return;
    audit_timer_.start(options_.audit_interval, [this] { audit(); });
}

void OverlayNode::Impl::audit() {
    remark_all(peers->refresh_reach());
    apply_everything(IkeKeeper::Reload::missing);
    arm_audit();
}

std::uint32_t OverlayNode::Impl::overlay_mtu() const {
    return backend_ ? backend_->overlay_mtu(local_.host.external_mtu) : 0;
}

bool OverlayNode::Impl::converged() const {
    return state == NodeState::running && have_snapshot_ && reconciler_.settled() &&
           ike_keeper_.settled();
}

// ---- OverlayNode ----

OverlayNode::OverlayNode(Runtime& runtime, HostStack& stack, LeaseStore& leases, IkeDaemon* ike,
                         NodeObserver& observer, NodeOptions options)
    : impl_(std::make_unique<Impl>(runtime, stack, leases, ike, observer, options)) {}

OverlayNode::~OverlayNode() = default;

void OverlayNode::start() { impl_->start(); }
void OverlayNode::stop() { impl_->stop(); }
NodeState OverlayNode::state() const { return impl_->state; }
const std::optional<HeldLease>& OverlayNode::held() const { return impl_->keeper.held(); }
std::uint32_t OverlayNode::overlay_mtu() const { return impl_->overlay_mtu(); }
std::size_t OverlayNode::peer_count() const { return impl_->peers ? impl_->peers->size() : 0; }
bool OverlayNode::converged() const { return impl_->converged(); }
ForwardingState OverlayNode::plan_all() const { return impl_->plan_all(); }

std::vector<std::pair<LeaseSubnet, std::string>> OverlayNode::unsupported_peers() const {
    if (!impl_->peers) return {};
    return impl_->peers->unsupported();
}

}  // namespace overlab
