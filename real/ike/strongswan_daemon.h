// StrongswanDaemon: the IkeDaemon port over strongSwan's VICI protocol (src/libcharon/plugins/vici/
// README.md of strongSwan).
//
// Connections are flannel's: IKEv2 with aes256-sha256-modp4096, one key for both sides, tunnel
// mode, reqid 11, policies=no (they are the node's), start_action start, close_action trap,
// dpd_action restart, keyingtries 0. MOBIKE is off, which flannel leaves on: it would move a tunnel
// to another address of the host, a pod bridge's too, and the policies name the external ones.
//
// The daemon keeps, with each connection, its key under the name `CONNECTION#DIGEST`. The digest
// (32 bits of SHA-256 over all of the connection: enough to see a change, too little to find the
// key by trial) is how a restarted node knows whether what is loaded is still what it wants; so
// loading the same again disturbs no SA, and anything changed replaces connection, key and SAs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/base/time.h"
#include "models/ports/ike_daemon.h"

namespace overlab::real {

/// An IKE_SA as the daemon reports it.
struct IkeAssociation {
    std::string connection;
    std::string state;                      ///< `CONNECTING`, `ESTABLISHED`, ...
    std::vector<std::string> child_states;  ///< of its CHILD_SAs: `INSTALLED`, `REKEYED`, ...

    friend auto operator<=>(const IkeAssociation&, const IkeAssociation&) = default;
};

class StrongswanDaemon final : public IkeDaemon {
   public:
    /// `socket`: charon's VICI socket. Connects at the first call and again whenever the daemon was
    /// restarted. Each question of a call (at most six) waits `timeout` for its answer; the daemon
    /// answers at once, negotiation goes on by itself.
    explicit StrongswanDaemon(std::filesystem::path socket, Duration timeout = seconds(5));
    ~StrongswanDaemon() override;

    /// Errors, besides the port's: invalid_argument (the daemon refuses the ESP proposal). Neither
    /// they nor anything logged contains the key.
    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;

    /// Names of connections whose CHILD_SA is installed, ascending, each once.
    [[nodiscard]] Result<std::vector<std::string>> established();

    /// What there is, ascending; a connection may have several while both sides begin at once.
    [[nodiscard]] Result<std::vector<IkeAssociation>> associations();

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
