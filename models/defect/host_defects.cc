#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "models/base/check.h"
#include "models/defect/defect.h"
#include "models/defect/lease_defects.h"
#include "models/defect/snapshot_defects.h"
#include "models/defect/stack_defects.h"
#include "models/defect/watch_defects.h"

namespace overlab {
namespace {

constexpr Duration hundred_years = hours(24 * 365) * 100;

}  // namespace

class HostDefects::Impl {
   public:
    Impl(std::span<const std::string> names, World given)
        : world(std::move(given)), on(names.begin(), names.end()) {
        for (const std::string& name : on) {
            CHECK(std::ranges::find(known_defects(), name, &Defect::name) != known_defects().end());
        }
        CHECK(on.empty() || (world.runtime != nullptr && world.die != nullptr));
        if (world.memory == nullptr) world.memory = &memory;
    }

    [[nodiscard]] bool has(std::string_view name) const { return on.contains(name); }

    /// Puts a `Layer` around `port` if `name` is switched on.
    template <typename Layer, typename Port, typename... Arguments>
    void put(std::vector<std::unique_ptr<Port>>& layers, Port*& port, std::string_view name,
             Arguments&&... arguments) {
        if (!has(name)) return;
        layers.push_back(std::make_unique<Layer>(*port, std::forward<Arguments>(arguments)...));
        port = layers.back().get();
    }

    World world;
    std::set<std::string, std::less<>> on;
    DefectMemory memory;
    KvLeaseStoreOptions options;
    std::vector<std::unique_ptr<KvStore>> kv_layers;
    std::vector<std::unique_ptr<LeaseStore>> lease_layers;
    std::vector<std::unique_ptr<HostStack>> stack_layers;
};

HostDefects::HostDefects(std::span<const std::string> names, World world)
    : impl_(std::make_unique<Impl>(names, std::move(world))) {}

HostDefects::~HostDefects() = default;

void HostDefects::adjust(KvLeaseStoreOptions& options) {
    if (impl_->has("leases-never-expire")) options.lease_ttl = hundred_years;
    impl_->options = options;
}

void HostDefects::adjust(NodeOptions& options) const {
    if (impl_->has("no-audit")) options.audit_interval = {};
}

KvStore& HostDefects::around(KvStore& kv) {
    KvStore* port = &kv;
    auto& layers = impl_->kv_layers;
    impl_->put<CompactionIgnored>(layers, port, "watch-ignores-compaction");
    impl_->put<FirstEventOnly>(layers, port, "watch-first-event-only");
    if (impl_->has("store-loss-ignored")) {
        impl_->put<StoreLossIgnored>(layers, port, "store-loss-ignored", *impl_->world.runtime);
    }
    return *port;
}

LeaseStore& HostDefects::around(LeaseStore& leases, KvStore& kv) {
    LeaseStore* port = &leases;
    auto& layers = impl_->lease_layers;
    const World& world = impl_->world;
    const FewTries::Parts few{.runtime = world.runtime,
                              .kv = &kv,
                              .options = impl_->options,
                              .tries = impl_->has("no-conflict-retry") ? 1U : 10U,
                              .die = world.die};
    if (impl_->has("no-conflict-retry")) {
        impl_->put<FewTries>(layers, port, "no-conflict-retry", few);
    } else {
        impl_->put<FewTries>(layers, port, "ten-conflict-tries", few);
    }
    const UnconditionalRenew::Parts renew{world.runtime, &kv, impl_->options};
    impl_->put<UnconditionalRenew>(layers, port, "unconditional-renew", renew);
    if (impl_->has("lost-lease-kept")) {
        impl_->put<LostLeaseKept>(layers, port, "lost-lease-kept", *world.runtime,
                                  impl_->options.lease_ttl);
    }
    impl_->put<SnapshotMissesChanges>(layers, port, "snapshot-misses-changes");
    impl_->put<MalformedEmpties>(layers, port, "malformed-empties");
    impl_->put<NetworkMtuIgnored>(layers, port, "network-mtu-ignored");
    return *port;
}

HostStack& HostDefects::around(HostStack& stack) {
    HostStack* port = &stack;
    auto& layers = impl_->stack_layers;
    impl_->put<LostFdbRow>(layers, port, "lost-fdb-row");
    impl_->put<OldFdbKept>(layers, port, "old-fdb-kept");
    impl_->put<StaleRowsKept>(layers, port, "stale-rows-kept");
    impl_->put<RouterIgnored>(layers, port, "host-gw-ignores-router");
    impl_->put<FirstReachKept>(layers, port, "first-reach-kept");
    impl_->put<FirstAddressKept>(layers, port, "first-address-kept", *impl_->world.memory);
    return *port;
}

IkeDaemon* HostDefects::around(IkeDaemon* ike) { return ike; }

bool HostDefects::dead_peer_detection() const { return !impl_->has("no-dead-peer-detection"); }
bool HostDefects::first_ike_sa_kept() const { return impl_->has("first-ike-sa-kept"); }

}  // namespace overlab
