// EtcdServer: a private etcd of one member: its own data folder, listening where we say.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/base/process.h"

namespace overlab::real {

struct EtcdServerOptions {
    const Netns* netns = nullptr;
    Ipv4Address address;  ///< of an interface in `netns`
    std::uint16_t port = 2379, peer_port = 2380;
    std::filesystem::path folder;  ///< data and log; must exist
    bool fsync = false;            ///< off: a throw-away cluster need not survive a power cut
    /// PEM files of the server; all empty: plain HTTP. `client_ca` set: client certificates wanted.
    std::filesystem::path cert_file, key_file, client_ca;
};

class EtcdServer {
   public:
    /// Starts it and waits until it answers /health, at most `limit`. Errors: not_found (etcd is
    /// not installed; names the package), already_exists (port in use), unavailable (with the log's
    /// last line).
    [[nodiscard]] static Result<EtcdServer> start(const EtcdServerOptions& options,
                                                  Duration limit = seconds(20));

    [[nodiscard]] std::string endpoint() const;
    [[nodiscard]] Process& process() { return process_; }

   private:
    EtcdServer(Process process, std::string endpoint)
        : process_(std::move(process)), endpoint_(std::move(endpoint)) {}
    Process process_;
    std::string endpoint_;
};

}  // namespace overlab::real
