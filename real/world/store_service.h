// StoreService: the lease store of a run, in the namespace of the host that the scenario puts it
// on: overlab's own store behind etcd's JSON gateway, or a private etcd process.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "models/scenario/scenario.h"
#include "real/base/netns.h"
#include "real/base/process.h"
#include "real/store/etcd_doze.h"
#include "real/store/etcd_server.h"

namespace overlab::real {

struct StorePlace {
    const Netns* netns = nullptr;
    Ipv4Address address;           ///< of an interface in there
    std::filesystem::path folder;  ///< for data and logs; exists
    bool will_doze = false;        ///< doze() follows
};

class StoreService {
   public:
    /// Starts it, waits until it answers, and writes `network_json` as the configuration. Errors:
    /// not_found (no etcd installed), already_exists (port in use), unavailable.
    [[nodiscard]] static Result<StoreService> start(StoreSpec::Kind kind, const StorePlace& place,
                                                    const std::string& network_json);

    /// From now on an etcd process only runs when it is spoken to, and for a moment every
    /// `look_every` (EtcdDoze). Nothing for the embedded store, which waits by itself. Errors:
    /// unavailable.
    [[nodiscard]] Result<void> doze(const StorePlace& place, Duration look_every);

    /// To its process: SIGSTOP and SIGCONT make it silent for a while.
    void signal(int number);

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

   private:
    StoreService() = default;
    std::string endpoint_;
    std::optional<Process> embedded_;
    std::optional<EtcdServer> etcd_;
    std::optional<EtcdDoze> doze_;
};

}  // namespace overlab::real
