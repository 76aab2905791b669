#include "models/node/ike_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace overlab {

IkeKeeper::IkeKeeper(Runtime& runtime, IkeDaemon* daemon, NodeObserver& observer,
                     const NodeOptions& options, std::function<std::vector<IkeConnection>()> plan)
    : daemon_(daemon),
      observer_(&observer),
      plan_(std::move(plan)),
      backoff_(options.retry_min, options.retry_max),
      retry_timer_(runtime) {}

void IkeKeeper::apply(std::span<const std::string> names_to_unload,
                      std::span<const IkeConnection> to_load) {
    CHECK(daemon_ != nullptr || (names_to_unload.empty() && to_load.empty()));
    for (const std::string& name : names_to_unload) unload(name);
    for (const IkeConnection& connection : to_load) load(connection);
    arm_retry();
}

void IkeKeeper::load(const IkeConnection& connection) {
    note(connection.name(), daemon_->load(connection), connection);
}

void IkeKeeper::unload(const std::string& name) { note(name, daemon_->unload(name), std::nullopt); }

void IkeKeeper::note(const std::string& name, const Result<void>& outcome,
                     std::optional<IkeConnection> wish) {
    if (outcome) {
        failed_.erase(name);
        return;
    }
    const bool known = failed_.contains(name);
    failed_[name] = std::move(wish);
    if (!known) observer_->remark(fmt::format("ike {}: {}", name, outcome.error().what));
}

void IkeKeeper::reconcile(Ipv4Address local, Reload reload) {
    if (daemon_ == nullptr) return;
    const Result<std::vector<std::string>> loaded = daemon_->loaded();
    if (!loaded) {
        if (!reconcile_failed_) {
            observer_->remark(fmt::format("ike daemon: {}", loaded.error().what));
        }
        reconcile_failed_.emplace(local, reload);
        arm_retry();
        return;
    }
    reconcile_failed_.reset();
    failed_.clear();
    std::map<std::string, IkeConnection> wanted;
    for (IkeConnection& connection : plan_()) {
        std::string name = connection.name();
        wanted.emplace(std::move(name), std::move(connection));
    }
    // Others may use the daemon too; ours begin with our address, as flannel names them.
    const std::string ours = local.to_string() + '-';
    for (const std::string& name : *loaded) {
        if (name.starts_with(ours) && !wanted.contains(name)) unload(name);
    }
    for (const auto& [name, connection] : wanted) {
        if (reload == Reload::all || !std::ranges::binary_search(*loaded, name)) load(connection);
    }
    arm_retry();
}

void IkeKeeper::arm_retry() {
    if (settled()) {
        backoff_.reset();
        retry_timer_.stop();
    } else if (!retry_timer_.armed()) {
        retry_timer_.start(backoff_.next(), [this] { retry(); });
    }
}

void IkeKeeper::retry() {
    if (reconcile_failed_) {
        const auto [local, reload] = *reconcile_failed_;
        reconcile(local, reload);
        return;
    }
    const auto attempts = failed_;
    for (const auto& [name, wish] : attempts) {
        if (wish) {
            load(*wish);
        } else {
            unload(name);
        }
    }
    arm_retry();
}

void IkeKeeper::stop() { retry_timer_.stop(); }

}  // namespace overlab
