// IkeWatchdog: keeps connections alive that strongSwan has given up. A peer that was not ready when
// we first asked answers NO_PROPOSAL_CHOSEN or AUTHENTICATION_FAILED, and charon does not try again
// after such an answer, whatever keyingtries says; a peer that restarted leaves us with SAs of its
// former life until dead peer detection notices. So what is loaded and has no CHILD_SA is started
// again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/ports/ike_daemon.h"
#include "models/ports/runtime.h"
#include "real/ike/strongswan_daemon.h"

namespace overlab::real {

class IkeWatchdog final : public IkeDaemon {
   public:
    /// Looks every `busy` while a connection has no SA, and every `idle` otherwise. References must
    /// outlive the watchdog.
    IkeWatchdog(Runtime& runtime, StrongswanDaemon& daemon, Duration busy = seconds(1),
                Duration idle = seconds(10));

    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;

   private:
    void look();

    StrongswanDaemon* daemon_;
    Duration busy_, idle_;
    std::map<std::string, IkeConnection> wanted_;  ///< by name
    Timer timer_;
};

}  // namespace overlab::real
