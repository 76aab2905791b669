// IkeDaemon: IPsec connections. Real: strongSwan over VICI. Sim: an IKEv2 exchange in messages and
// time. The daemon negotiates and installs SAs by itself and keeps them fresh; the node only says
// which connections must exist. Policies are the node's own (installed through HostStack).
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"

namespace overlab {

/// One peer's connection. Identity: the pair of subnets and addresses.
struct IkeConnection {
    Ipv4Address local, remote;
    Ipv4Prefix local_subnet, remote_subnet;
    std::string psk;  ///< never printed
    std::string esp_proposal;
    bool udp_encap = false;

    friend auto operator<=>(const IkeConnection&, const IkeConnection&) = default;
    /// strongSwan's connection name as flannel forms it:
    /// `<localPublic>-<localSubnet>-<remoteSubnet>-<remotePublic>`.
    [[nodiscard]] std::string name() const {
        return local.to_string() + '-' + local_subnet.to_string() + '-' +
               remote_subnet.to_string() + '-' + remote.to_string();
    }
};

class IkeDaemon {
   public:
    virtual ~IkeDaemon() = default;

    /// Loads (or replaces, by name) and starts to negotiate. Idempotent. Errors: unavailable.
    [[nodiscard]] virtual Result<void> load(const IkeConnection& connection) = 0;

    /// Removes the connection and its SAs. Absent is success. Errors: unavailable.
    [[nodiscard]] virtual Result<void> unload(const std::string& name) = 0;

    /// Names of what is loaded, ascending.
    [[nodiscard]] virtual Result<std::vector<std::string>> loaded() = 0;
};

}  // namespace overlab
