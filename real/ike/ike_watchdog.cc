#include "real/ike/ike_watchdog.h"

#include <algorithm>

namespace overlab::real {

IkeWatchdog::IkeWatchdog(Runtime& runtime, StrongswanDaemon& daemon, Duration busy, Duration idle)
    : daemon_(&daemon), busy_(busy), idle_(idle), timer_(runtime) {}

Result<void> IkeWatchdog::load(const IkeConnection& connection) {
    auto loaded = daemon_->load(connection);
    // One that failed is the caller's to try again.
    if (loaded) wanted_.insert_or_assign(connection.name(), connection);
    timer_.start(busy_, [this] { look(); });
    return loaded;
}

Result<void> IkeWatchdog::unload(const std::string& name) {
    wanted_.erase(name);
    return daemon_->unload(name);
}

Result<std::vector<std::string>> IkeWatchdog::loaded() { return daemon_->loaded(); }

void IkeWatchdog::look() {
    const auto established = daemon_->established();
    bool all = established.has_value();
    if (established) {
        for (const auto& [name, connection] : wanted_) {
            if (std::ranges::binary_search(*established, name)) continue;
            all = false;
            // Starts it only if nothing is under way; a daemon that is away is asked next time.
            (void)daemon_->load(connection);
        }
    }
    timer_.start(all ? idle_ : busy_, [this] { look(); });
}

}  // namespace overlab::real
