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
#include "real/store/etcd_server.h"

namespace overlab::real {

class StoreService {
   public:
    /// Starts it, waits until it answers, and writes `network_json` as the configuration. `folder`
    /// exists. Errors: not_found (no etcd installed), already_exists (port in use), unavailable.
    [[nodiscard]] static Result<StoreService> start(StoreSpec::Kind kind, const Netns& netns,
                                                    Ipv4Address address,
                                                    const std::filesystem::path& folder,
                                                    const std::string& network_json);

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

   private:
    StoreService() = default;
    std::string endpoint_;
    std::optional<Process> embedded_;
    std::optional<EtcdServer> etcd_;
};

}  // namespace overlab::real
