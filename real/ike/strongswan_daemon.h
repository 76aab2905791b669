// StrongswanDaemon: the IkeDaemon port over strongSwan's VICI protocol (src/libcharon/plugins/vici/
// README.md of strongSwan): load-shared, load-conn, initiate, unload-conn, terminate, get-conns.
//
// Connections are flannel's: IKEv2, PSK on both sides, tunnel mode, reqid 11, policies=no (ours are
// the node's), start_action start, close_action trap, dpd_action restart, keyingtries 0.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/ports/ike_daemon.h"

namespace overlab::real {

class StrongswanDaemon final : public IkeDaemon {
   public:
    /// `socket`: charon's VICI socket. Connects at the first call and again whenever the daemon was
    /// restarted. A call waits for the answer at most `timeout` (local socket; initiate is sent
    /// without waiting for the exchange itself).
    explicit StrongswanDaemon(std::filesystem::path socket, Duration timeout = seconds(5));
    ~StrongswanDaemon() override;

    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;

    /// Names of connections whose CHILD_SA is installed, ascending.
    [[nodiscard]] Result<std::vector<std::string>> established();

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
