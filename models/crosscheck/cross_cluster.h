// CrossCluster: the agents of a history's hosts over one store in memory, in virtual time of their
// own. A cross-check has two of them, which differ in the stacks under the agents and in nothing
// else: the same code, the same seeds, the same clock. What they decide can differ only because
// their stacks do.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/crosscheck/history.h"
#include "models/crosscheck/virtual_runtime.h"
#include "models/ports/host_stack.h"
#include "models/ports/ike_daemon.h"
#include "models/store/lease_decoder.h"
#include "models/store/local_kv_store.h"

namespace overlab {

/// What is under one agent; must outlive the cluster.
struct CrossPorts {
    HostStack* stack = nullptr;
    IkeDaemon* ike = nullptr;
    std::function<Result<void>(Ipv4Prefix subnet, std::uint32_t mtu)> set_pod;
};

struct CrossPod {
    Ipv4Prefix subnet;
    std::uint32_t mtu = 0;

    [[nodiscard]] Ipv4Address address() const { return subnet.at(2); }
    [[nodiscard]] Ipv4Address bridge() const { return subnet.at(1); }
    friend bool operator==(const CrossPod&, const CrossPod&) = default;
};

class CrossCluster {
   public:
    /// Nothing runs yet. One entry of `ports` a host.
    CrossCluster(const History& history, std::vector<CrossPorts> ports);
    ~CrossCluster();

    /// Does the step and lets time pass until all have done what follows from it. Meddling is the
    /// caller's: here nothing happens, and no time passes. Errors: a pod could not be set up.
    [[nodiscard]] Result<void> apply(const HistoryStep& step);

    /// The pod that the host's last lease gave it.
    [[nodiscard]] const std::optional<CrossPod>& pod(std::size_t host) const;
    /// `running 10.244.3.0/24 converged`; `no agent`.
    [[nodiscard]] std::string agent_text(std::size_t host) const;
    /// What the host's agent has said since the cluster began, newest last; a bounded number.
    [[nodiscard]] const std::vector<std::string>& remarks(std::size_t host) const;

   private:
    class Agent;
    struct Host;

    void start(Host& host);
    void stop(Host& host, bool release);
    void put(const std::string& key, const std::string& value);
    void remove(const std::string& key);
    void rewrite(const Host& host, const std::string& value);
    void compact(const HistoryStep& step);
    void pass(Duration time);

    std::uint64_t seed_;
    VirtualRuntime runtime_;
    LocalKvServer server_;
    LeaseDecoder decoder_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::optional<Error> problem_;
};

}  // namespace overlab
