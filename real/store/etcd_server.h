// EtcdServer: a private etcd of one member: its own data folder, listening where we
// say. It ends with its handle (Process).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/base/process.h"

namespace overlab::real {

struct EtcdServerOptions {
    const Netns* netns = nullptr;
    Ipv4Address address;  ///< of an interface in `netns`
    std::uint16_t port = 2379, peer_port = 2380;
    /// Plain HTTP with /health and /metrics, whatever TLS the others want.
    std::uint16_t metrics_port = 2381;
    /// Data and log (etcd.log); must exist. A second start in the same folder goes on with its
    /// data.
    std::filesystem::path folder;
    bool fsync = false;  ///< off: a throw-away cluster need not survive a power cut
    /// PEM files of the server; all empty: plain HTTP. `client_ca` set: client certificates wanted.
    std::filesystem::path cert_file, key_file, client_ca;
    std::vector<std::string> arguments;      ///< more of etcd's own
    std::map<std::string, std::string> env;  ///< added to ours
};

class EtcdServer {
   public:
    /// Starts it and waits until it answers /health, at most `limit`. Errors: not_found (etcd is
    /// not installed; names the package), already_exists (a port is in use), invalid_argument (the
    /// address is not of this namespace), unavailable (with the log's last line).
    [[nodiscard]] static Result<EtcdServer> start(const EtcdServerOptions& options,
                                                  Duration limit = seconds(20));

    /// `http://10.0.0.9:2379`
    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    [[nodiscard]] Process& process() { return process_; }

   private:
    EtcdServer(Process process, std::string endpoint)
        : process_(std::move(process)), endpoint_(std::move(endpoint)) {}
    Process process_;
    std::string endpoint_;
};

}  // namespace overlab::real
