// IkeKeeper: makes the IKE daemon hold the planned connections. As the Reconciler, but what can be
// read back from a daemon is names only; so a (re)started node loads every connection again, which
// is idempotent.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/node/backoff.h"
#include "models/node/overlay_node.h"
#include "models/ports/ike_daemon.h"
#include "models/ports/runtime.h"

namespace overlab {

class IkeKeeper {
   public:
    enum class Reload : std::uint8_t { missing, all };

    /// Without a daemon (null) there must be no connections either.
    IkeKeeper(Runtime& runtime, IkeDaemon* daemon, NodeObserver& observer,
              const NodeOptions& options, std::function<std::vector<IkeConnection>()> plan);

    void apply(std::span<const std::string> names_to_unload,
               std::span<const IkeConnection> to_load);
    /// Makes the daemon hold exactly the plan, of the connections whose local address is `local`.
    void reconcile(Ipv4Address local, Reload reload);
    void stop();
    [[nodiscard]] bool settled() const { return failed_.empty() && !reconcile_failed_; }

   private:
    void load(const IkeConnection& connection);
    void unload(const std::string& name);
    void note(const std::string& name, const Result<void>& outcome,
              std::optional<IkeConnection> wish);
    void arm_retry();
    void retry();

    IkeDaemon* daemon_;
    NodeObserver* observer_;
    std::function<std::vector<IkeConnection>()> plan_;
    Backoff backoff_;
    Timer retry_timer_;
    std::map<std::string, std::optional<IkeConnection>> failed_;  ///< name to wish; empty: unload
    std::optional<std::pair<Ipv4Address, Reload>> reconcile_failed_;
};

}  // namespace overlab
